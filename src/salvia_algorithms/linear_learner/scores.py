"""How good a model is, by the names of AWS's log."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.first_party.report import LOSS, SCORE
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.curve import Curve
from salvia_algorithms.linear_learner.thresholds import f_beta

Score = tuple[str, str, float]  # name, LOSS or SCORE, value


def scores(values: Mapping[str, Any], raw: Iterable[tuple[Floats, Floats]], threshold: float) -> list[Score]:
    """Of outputs, batch by batch (n, classes), or (n, 1) where there are no classes, and their labels, (n,).

    Outputs are probabilities, margins or predicted numbers. Nothing comes of no rows, and nothing is kept of a row.
    """
    if values["predictor_type"] == names.MULTICLASS:
        tally = _Tally(values["num_classes"], values["accuracy_top_k"])
        for outputs, label in raw:
            tally.add(outputs, label.astype(np.int64))
        return tally.scores(values) if tally.rows else []
    counts = _Binary(values["f_beta"], threshold) if values["predictor_type"] == names.BINARY else _Regression()
    for outputs, label in raw:
        counts.add(outputs[:, 0], label)
    return counts.scores() if counts.rows else []


class _Binary:
    """Counts over rows of two classes."""

    def __init__(self, beta: float, threshold: float) -> None:
        self._beta, self._threshold = beta, threshold
        self._curve = Curve()
        self.rows = self._right = self._hits = self._called = self._positive = 0

    def add(self, score: Floats, label: Floats) -> None:
        called, positive = score > self._threshold, label > 0
        self.rows += len(label)
        self._right += int((called == positive).sum())
        self._hits += int((called & positive).sum())
        self._called += int(called.sum())
        self._positive += int(positive.sum())
        self._curve.add(score, label)

    def scores(self) -> list[Score]:
        precision, recall = self._hits / max(self._called, 1), self._hits / max(self._positive, 1)
        return [
            ("binary_classification_accuracy", SCORE, self._right / self.rows),
            (
                f"binary_f_{self._beta:.3f}",
                SCORE,
                float(f_beta(np.array(precision), np.array(recall), self._beta)),
            ),
            ("precision", SCORE, precision),
            ("recall", SCORE, recall),
            ("roc_auc_score", SCORE, self._curve.area()),
        ]


class _Regression:
    """Sums over rows with a number to predict."""

    def __init__(self) -> None:
        self.rows = 0
        self._squares = self._misses = 0.0

    def add(self, predicted: Floats, label: Floats) -> None:
        missing = predicted.astype(np.float64) - label
        self.rows += len(label)
        self._squares += float(missing @ missing)
        self._misses += float(np.abs(missing).sum())

    def scores(self) -> list[Score]:
        mse = self._squares / self.rows
        return [("mse", LOSS, mse), ("absolute_loss", LOSS, self._misses / self.rows), ("rmse", LOSS, mse**0.5)]


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
