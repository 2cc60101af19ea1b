"""How good the scores of labelled data are: rows beyond three sigma are called anomalies."""

import numpy as np

from salvia_algorithms.randomcutforest.hyperparameters import ACCURACY
from salvia_algorithms.randomcutforest.trees import Floats

SIGMAS = 3


def threshold(scores: Floats) -> float:
    """The score above which a row is an anomaly."""
    return float(scores.mean(dtype=np.float64) + SIGMAS * scores.std(dtype=np.float64))


def evaluate(scores: Floats, label: Floats, metrics: list[str]) -> dict[str, float]:
    """The metrics by the names they have in the log. A label other than 0 is an anomaly; what is 0/0 is 0."""
    called, is_one = scores > threshold(scores), label != 0
    hits = int((called & is_one).sum())
    precision = hits / max(1, int(called.sum()))
    recall = hits / max(1, int(is_one.sum()))
    values: dict[str, float] = {}
    if ACCURACY in metrics:
        values["accuracy"] = float((called == is_one).mean())
    if set(metrics) - {ACCURACY}:
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        values |= {"precision": precision, "recall": recall, "f1": f1}
    return values
