"""Rows of a channel as AWS's own algorithms work on them: a mini-batch, and how rows are cut into mini-batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """`features` is (n, d), dense or CSR, float32; `label` is (n,), or None where the rows have none."""

    features: Floats | sp.csr_matrix
    label: Floats | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def columns(self) -> int:
        return int(self.features.shape[1])

    @property
    def sparse(self) -> bool:
        return not isinstance(self.features, np.ndarray)

    @property
    def nbytes(self) -> int:
        values = self.features
        stored = values.nbytes if isinstance(values, np.ndarray) else values.data.nbytes + values.indices.nbytes
        return int(stored) + (0 if self.label is None else self.label.nbytes)

    def slice(self, start: int, stop: int) -> "Batch":
        """Rows from `start` to before `stop`; dense ones are not copied."""
        return Batch(self.features[start:stop], None if self.label is None else self.label[start:stop])

    def widened(self, columns: int) -> "Batch":
        """The same sparse rows with as many columns: an index that never occurs here may occur elsewhere."""
        if not self.sparse or self.columns == columns:
            return self
        features = sp.csr_matrix(self.features)
        features.resize((len(self), columns))
        return Batch(features, self.label)

    def dense(self) -> Floats:
        """The features as an array."""
        return self.features if isinstance(self.features, np.ndarray) else self.features.toarray()


def stack(parts: Sequence[Batch]) -> Batch:
    """One below the other; all of one kind and width, with labels or without."""
    if len(parts) == 1:
        return parts[0]
    features = [part.features for part in parts]
    labels = [part.label for part in parts if part.label is not None]
    return Batch(
        sp.vstack(features, format="csr") if parts[0].sparse else np.concatenate(features),
        np.concatenate(labels) if labels else None,
    )


def cut(blocks: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Mini-batches of `size` rows, in order and across blocks; the last one is what is left."""
    waiting: list[Batch] = []
    count = 0
    for block in blocks:
        start = 0
        while count + len(block) - start >= size:
            stop = start + size - count
            yield stack([*waiting, block.slice(start, stop)])
            waiting, count, start = [], 0, stop
        if start < len(block):
            waiting.append(block.slice(start, len(block)))
            count += len(block) - start
    if waiting:
        yield stack(waiting)


def drawn(blocks: Sequence[Batch], size: int, random: np.random.Generator) -> Iterator[Batch]:
    """The mini-batches that `cut` makes of these blocks, in an order drawn at random. None is made before it is asked for."""
    starts = np.cumsum([0, *map(len, blocks)])
    for place in random.permutation(-(-int(starts[-1]) // size)):
        first, last = place * size, min((place + 1) * size, starts[-1])
        touched = range(int(np.searchsorted(starts, first, "right")) - 1, int(np.searchsorted(starts, last)))
        yield stack([blocks[at].slice(max(0, first - starts[at]), last - starts[at]) for at in touched])
