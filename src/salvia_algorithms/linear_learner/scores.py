"""How good a model is, by the names of AWS's log."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.first_party.report import LOSS, SCORE
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.thresholds import f_beta

Score = tuple[str, str, float]  # name, LOSS or SCORE, value
Doubles = npt.NDArray[np.float64]


def scores(values: Mapping[str, Any], raw: Iterable[tuple[Floats, Floats]], threshold: float) -> list[Score]:
    """Of outputs, batch by batch (n, classes), or (n, 1) where there are no classes, and their labels, (n,).

    Outputs are probabilities, margins or predicted numbers. Nothing comes of no rows. What is kept of a row is its one
    output, or of one with classes nothing.
    """
    if values["predictor_type"] == names.MULTICLASS:
        tally = _Tally(values["num_classes"], values["accuracy_top_k"])
        for outputs, label in raw:
            tally.add(outputs, label.astype(np.int64))
        return tally.scores(values) if tally.rows else []
    parts = [(outputs[:, 0], label) for outputs, label in raw]
    if not parts:
        return []
    output, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    if values["predictor_type"] == names.BINARY:
        return _binary(values, output, label, threshold)
    return _regression(output.astype(np.float64), label.astype(np.float64))


def roc_auc(score: Floats, label: Floats) -> float:
    """The chance that a positive ranks above a negative, ties counting half; 0.5 where one of them is missing."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    positives = float(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return 0.5
    rank = float(middle[place][label > 0].sum())
    return (rank - positives * (positives + 1) / 2) / (positives * negatives)


def _binary(values: Mapping[str, Any], score: Floats, label: Floats, threshold: float) -> list[Score]:
    called = score > threshold
    hits = float((called & (label > 0)).sum())
    precision = hits / called.sum() if called.any() else 0.0
    recall = hits / label.sum() if label.any() else 0.0
    beta = values["f_beta"]
    return [
        ("binary_classification_accuracy", SCORE, float((called == (label > 0)).mean())),
        (f"binary_f_{beta:.3f}", SCORE, float(f_beta(np.array(precision), np.array(recall), beta))),
        ("precision", SCORE, float(precision)),
        ("recall", SCORE, float(recall)),
        ("roc_auc_score", SCORE, roc_auc(score, label)),
    ]


class _Tally:
    """Counts over rows with classes."""

    def __init__(self, classes: int, top: int) -> None:
        self._top = top
        self._hits, self._actual, self._called = (np.zeros(classes, np.int64) for _ in range(3))
        self._in_top, self._gain, self._entropy = 0, 0.0, 0.0
        self.rows = 0

    def add(self, raw: Floats, label: npt.NDArray[np.int64]) -> None:
        classes = len(self._hits)
        predicted = raw.argmax(axis=1)
        self._hits += np.bincount(label[predicted == label], minlength=classes)
        self._actual += np.bincount(label, minlength=classes)
        self._called += np.bincount(predicted, minlength=classes)
        own = raw[np.arange(len(label)), label]
        rank = (raw > own[:, None]).sum(axis=1)
        self._in_top += int((rank < self._top).sum())
        self._gain += float((1 / np.log2(rank + 2.0)).sum())
        self._entropy -= float(np.log(np.maximum(own, 1e-7)).sum())
        self.rows += len(label)

    def scores(self, values: Mapping[str, Any]) -> list[Score]:
        present = self._actual > 0
        recall = self._hits / np.maximum(self._actual, 1)
        precision = self._hits / np.maximum(self._called, 1)
        beta = values["f_beta"]
        found = [
            ("multiclass_accuracy", SCORE, float(self._hits.sum() / self.rows)),
            (f"multiclass_top_k_accuracy_{self._top}", SCORE, self._in_top / self.rows),
            ("dcg", SCORE, self._gain / self.rows),
            ("macro_recall", SCORE, float(recall[present].mean())),
            ("macro_precision", SCORE, float(precision[present].mean())),
            (f"macro_f_{beta:.3f}", SCORE, float(f_beta(precision, recall, beta)[present].mean())),
            ("multiclass_balanced_accuracy", SCORE, float(recall[present].mean())),
        ]
        if values["loss"] == names.SOFTMAX:
            found.append(("multiclass_log_loss", LOSS, self._entropy / self.rows))
        return found


def _regression(predicted: Doubles, label: Doubles) -> list[Score]:
    missing = predicted - label
    mse = float((missing * missing).mean())
    return [("mse", LOSS, mse), ("absolute_loss", LOSS, float(np.abs(missing).mean())), ("rmse", LOSS, mse**0.5)]
