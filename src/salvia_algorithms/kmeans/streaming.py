"""The first half of web-scale K-Means: many more centres than asked, each the running mean of the rows nearest to it."""

from dataclasses import dataclass

import numpy as np

from salvia_algorithms.kmeans import seeding
from salvia_algorithms.kmeans.nearest import Doubles, Floats, Nearest, sums


@dataclass(slots=True)
class Stream:
    """`centers` is (count, d); `weights` (count,) is how many rows each is the mean of, older ones counting less.

    A row's weight halves with every `half_life` rows that come after it; 0: it stays.
    """

    centers: Floats
    weights: Doubles
    half_life: int = 0

    @classmethod
    def start(cls, rows: Floats, count: int, method: str, random: np.random.Generator, half_life: int = 0) -> "Stream":
        """Begins at `count` of these rows, which count for nothing yet; at all of them when they are fewer."""
        count = min(count, len(rows))
        centers = seeding.seeds(rows, np.ones(len(rows)), count, method, random)
        return cls(centers, np.zeros(count), half_life)

    def update(self, rows: Floats) -> None:
        """Takes in a batch (n, d)."""
        count = len(self.weights)
        found = Nearest(self.centers).places(rows)
        new = np.bincount(found, minlength=count).astype(np.float64)
        if self.half_life:
            self.weights *= 0.5 ** (len(rows) / self.half_life)
        self.weights += new
        touched = np.flatnonzero(new)
        total = sums(rows, found, count)[touched]
        share = (new[touched] / self.weights[touched]).astype(np.float32)[:, None]
        mean = total / new[touched].astype(np.float32)[:, None]
        self.centers[touched] += share * (mean - self.centers[touched])

    def used(self) -> tuple[Floats, Doubles]:
        """The centres that have rows, and their weights."""
        has = self.weights > 0
        return self.centers[has], self.weights[has]
