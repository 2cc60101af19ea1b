"""Rows of training data in memory: features, labels, weights and query ids, before they become a DMatrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float32]
Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """`features` is (n, d): a dense array whose NaNs are missing values, or CSR where what is absent is missing.

    `label` is (n,). `weight` is (n,) or None: all rows count the same. `query` is (n,) or None: no ranking groups.
    """

    features: Floats | sp.csr_matrix
    label: Floats
    weight: Floats | None = None
    query: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def columns(self) -> int:
        return int(self.features.shape[1])

    @property
    def cells(self) -> int:
        """Stored values: what a pass over the data has to look at."""
        return int(self.features.size)  # of a sparse matrix, too: only what is stored

    @property
    def sparse(self) -> bool:
        return not isinstance(self.features, np.ndarray)

    def take(self, index: npt.NDArray[np.int64]) -> "Rows":
        """The rows at these positions."""
        return Rows(
            features=self.features[index],
            label=self.label[index],
            weight=None if self.weight is None else self.weight[index],
            query=None if self.query is None else self.query[index],
        )

    def widened(self, columns: int) -> "Rows":
        """The same sparse rows with as many columns: an index that never occurs here may occur elsewhere."""
        if not self.sparse or self.columns == columns:
            return self
        features = sp.csr_matrix(self.features)
        features.resize((len(self), columns))
        return Rows(features, self.label, self.weight, self.query)


def stack(parts: Sequence[Rows]) -> Rows:
    """One below the other. Dense parts must have the same columns, sparse ones are widened; all or none have weights."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.columns for part in parts)
    features = [part.widened(width).features for part in parts]
    return Rows(
        features=sp.vstack(features, format="csr") if parts[0].sparse else np.concatenate(features),
        label=np.concatenate([part.label for part in parts]),
        weight=_stacked([part.weight for part in parts]),
        query=_stacked([part.query for part in parts]),
    )


def _stacked(columns: list[Column | None]) -> Column | None:
    present = [column for column in columns if column is not None]
    return np.concatenate(present) if len(present) == len(columns) else None
