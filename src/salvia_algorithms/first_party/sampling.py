"""A uniform sample of a stream that is longer than memory, and of streams on several hosts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.first_party.collective import Collective

LARGEST_URN = 10**9  # numpy draws hypergeometrically from no more


class Reservoir:
    """At any time each row seen is among `rows` with the same probability. Rows come as (n, d) batches."""

    def __init__(self, size: int, features: int, random: np.random.Generator) -> None:
        self.seen = 0
        self._size = size
        self._random = random
        self._rows = np.empty((0, features), np.float32)  # grows to `size`: most data are smaller than that

    @property
    def rows(self) -> Floats:
        return self._rows[: min(self.seen, self._size)]

    def add(self, batch: Floats) -> None:
        free = max(0, self._size - self.seen)
        first = batch[:free]
        if len(first):
            self._make_room(self.seen + len(first))
            self._rows[self.seen : self.seen + len(first)] = first
        rest = batch[free:]
        if len(rest):
            # The i-th row ever (from 1 on) takes one of i places; those of the sample are the first `size`.
            numbers = np.arange(self.seen + len(first) + 1, self.seen + len(batch) + 1)
            place = self._random.integers(0, numbers)
            takes = np.flatnonzero(place < self._size)
            self._rows[place[takes]] = rest[takes]  # where two want one place, the later one has it
        self.seen += len(batch)

    def _make_room(self, needed: int) -> None:
        if needed > len(self._rows):
            grown = np.empty((min(self._size, max(needed, 2 * len(self._rows))), self._rows.shape[1]), np.float32)
            grown[: self.seen] = self._rows[: self.seen]
            self._rows = grown


def gather(own: Reservoir, size: int, hosts: Collective, seed: int) -> Floats:
    """A uniform sample of what all hosts have seen together: `size` rows, or all if there are fewer. The same everywhere."""
    seen = hosts.all(own.seen)
    counts = _shares(seen, size, np.random.default_rng(seed))
    chosen = np.random.default_rng([seed, hosts.rank]).permutation(len(own.rows))[: counts[hosts.rank]]
    everything = np.zeros((int(counts.sum()), own.rows.shape[1]), np.float32)
    first = int(counts[: hosts.rank].sum())
    everything[first : first + len(chosen)] = own.rows[chosen]
    return hosts.sum(everything)


def _shares(seen: Sequence[int], size: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """How many rows of a sample of all come from each host."""
    total = sum(seen)
    if total <= size:
        return np.array(seen, np.int64)
    divisor = 1 + total // LARGEST_URN
    return random.multivariate_hypergeometric([count // divisor for count in seen], size)
