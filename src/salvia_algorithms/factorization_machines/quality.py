"""How good a machine is on the rows it has seen, added up as they come, by the names of AWS's log."""

from dataclasses import dataclass

import numpy as np

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.first_party.report import LOSS, SCORE

LEAST = 1e-7  # a probability below it counts as this much


@dataclass(slots=True)
class Quality:
    """`binary`: scores are probabilities of the label 1; else predicted numbers."""

    binary: bool
    rows: int = 0
    squared: float = 0.0
    absolute: float = 0.0
    entropy: float = 0.0
    right: int = 0
    hits: int = 0
    called: int = 0
    positive: int = 0

    def add(self, found: Floats, label: Floats) -> None:
        self.rows += len(label)
        if not self.binary:
            missing = found.astype(np.float64) - label
            self.squared += float(missing @ missing)
            self.absolute += float(np.abs(missing).sum())
            return
        yes = found >= 0.5
        self.entropy -= float(np.log(np.maximum(np.where(label > 0, found, 1 - found), LEAST), dtype=np.float64).sum())
        self.right += int((yes == (label > 0)).sum())
        self.hits += int((yes & (label > 0)).sum())
        self.called += int(yes.sum())
        self.positive += int((label > 0).sum())

    def scores(self) -> list[tuple[str, str, float]]:
        """Name, LOSS or SCORE, value."""
        rows = max(self.rows, 1)
        if not self.binary:
            mse = self.squared / rows
            return [("rmse", LOSS, mse**0.5), ("mse", LOSS, mse), ("absolute_loss", LOSS, self.absolute / rows)]
        return [
            ("binary_classification_accuracy", SCORE, self.right / rows),
            ("binary_classification_cross_entropy", LOSS, self.entropy / rows),
            ("binary_f_1.000", SCORE, 2 * self.hits / max(self.called + self.positive, 1)),
        ]
