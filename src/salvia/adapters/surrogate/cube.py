"""The unit cube of a search as features of a Gaussian process: numbers stay, steps are snapped, categories become one-hot."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Cube:
    """`dimensions` as in ports/surrogate.py. `groups` says for each feature which coordinate it belongs to."""

    def __init__(self, dimensions: Sequence[Mapping[str, Any]]) -> None:
        self.size = len(dimensions)
        self.categories = np.array([int(each.get("categories", 0)) for each in dimensions])
        self._steps = [np.array(each["steps"]) if each.get("steps") else None for each in dimensions]
        self.groups = np.repeat(np.arange(self.size), np.maximum(self.categories, 1))

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
