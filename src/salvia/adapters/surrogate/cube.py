"""The unit cube of a search as features of a Gaussian process: numbers stay, steps are snapped, categories become one-hot."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Cube:
    """`dimensions` as in ports/surrogate.py. `groups` says for each feature which coordinate it belongs to, `column` for each
    coordinate where its features begin. `continuous` and `discrete` are the coordinates that are numbers, and the others.
    """

    def __init__(self, dimensions: Sequence[Mapping[str, Any]]) -> None:
        self.size = len(dimensions)
        self.categories = np.array([int(each.get("categories", 0)) for each in dimensions])
        self._steps = [np.array(each["steps"]) if each.get("steps") else None for each in dimensions]
        self.discrete = [
            index for index in range(self.size) if self.categories[index] or self._steps[index] is not None
        ]
        self.continuous = np.array([index for index in range(self.size) if index not in self.discrete], dtype=int)
        widths = np.maximum(self.categories, 1)
        self.column = np.cumsum(widths) - widths
        self.groups = np.repeat(np.arange(self.size), widths)

    def features(self, points: Array) -> Array:
        """(n, coordinates) -> (n, features). Points that mean the same have the same features."""
        columns = []
        for index in range(self.size):
            units = np.clip(points[:, index], 0.0, 1.0)
            steps, count = self._steps[index], self.categories[index]
            if count:
                chosen = np.minimum((units * count).astype(int), count - 1)
                columns.append(np.eye(count)[chosen])
            elif steps is not None:
                columns.append(steps[np.abs(units[:, None] - steps[None, :]).argmin(axis=1)][:, None])
            else:
                columns.append(units[:, None])
        return np.hstack(columns)

    def levels(self, index: int) -> Array:
        """One unit for each value of a discrete coordinate."""
        count, steps = self.categories[index], self._steps[index]
        return (np.arange(count) + 0.5) / count if steps is None else steps
