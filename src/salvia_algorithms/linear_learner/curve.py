"""The area under the ROC curve, of more rows than memory holds."""

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats

MOST_SCORES = 1 << 20  # different ones that are told apart; where there are more, neighbours count as ties
_TOGETHER = 1 << 18  # rows that are counted at once


class Curve:
    """Rows by score: how many are positive and how many negative. Up to MOST_SCORES different scores the area is exact."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint32)  # scores as numbers of the same order, without their last bits
        self._counts = np.empty((2, 0), np.int64)  # negatives, positives
        self._dropped = 0  # bits
        self._waiting: list[tuple[Floats, Floats]] = []
        self._rows = 0

    def add(self, score: Floats, label: Floats) -> None:
        """Scores (n,) and labels (n,): 1 where a row is positive."""
        self._waiting.append((score, label))
        self._rows += len(score)
        if self._rows >= _TOGETHER:
            self._count()

    def area(self) -> float:
        """The chance that a positive ranks above a negative, ties counting half; 0.5 where one of them is missing."""
        if self._waiting:
            self._count()
        negative, positive = self._counts.astype(np.float64)
        pairs = negative.sum() * positive.sum()
        if not pairs:
            return 0.5
        below = np.cumsum(negative) - negative / 2
        return float((positive * below).sum() / pairs)

    def _count(self) -> None:
        score, label = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        self._waiting, self._rows = [], 0
        keys, positive = _ordered(score) >> np.uint32(self._dropped), label > 0
        self._group(np.concatenate([self._keys, keys]), np.hstack([self._counts, np.vstack([~positive, positive])]))
        while len(self._keys) > MOST_SCORES:
            self._dropped += 1
            self._group(self._keys >> np.uint32(1), self._counts)

    def _group(self, keys: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64]) -> None:
        self._keys, place = np.unique(keys, return_inverse=True)
        self._counts = np.vstack([np.bincount(place, row, len(self._keys)) for row in counts]).astype(np.int64)


def _ordered(score: Floats) -> npt.NDArray[np.uint32]:
    """The bits of floats, changed so that they sort as the numbers do."""
    bits = (score.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes 0
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
