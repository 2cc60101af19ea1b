"""How good a model is, by the names of AWS's log."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.first_party.report import LOSS, SCORE
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.thresholds import f_beta

Score = tuple[str, str, float]  # name, LOSS or SCORE, value
Doubles = npt.NDArray[np.float64]


def scores(values: Mapping[str, Any], raw: Floats, label: Floats, threshold: float) -> list[Score]:
    """Of (n, classes) outputs, (n, 1) where there are no classes: probabilities, margins or predicted numbers."""
    kind = values["predictor_type"]
    if kind == names.BINARY:
        return _binary(values, raw[:, 0], label, threshold)
    if kind == names.MULTICLASS:
        return _multiclass(values, raw, label.astype(np.int64))
    return _regression(raw[:, 0].astype(np.float64), label.astype(np.float64))


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


def _multiclass(values: Mapping[str, Any], raw: Floats, label: npt.NDArray[np.int64]) -> list[Score]:
    classes = raw.shape[1]
    predicted = raw.argmax(axis=1)
    confusion = np.bincount(label * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits, actual, called = np.diag(confusion).astype(np.float64), confusion.sum(axis=1), confusion.sum(axis=0)
    present = actual > 0
    recall = hits / np.maximum(actual, 1)
    precision = hits / np.maximum(called, 1)
    own = raw[np.arange(len(label)), label]
    rank = (raw > own[:, None]).sum(axis=1)
    top, beta = values["accuracy_top_k"], values["f_beta"]
    found = [
        ("multiclass_accuracy", SCORE, float((predicted == label).mean())),
        (f"multiclass_top_k_accuracy_{top}", SCORE, float((rank < top).mean())),
        ("dcg", SCORE, float((1 / np.log2(rank + 2.0)).mean())),
        ("macro_recall", SCORE, float(recall[present].mean())),
        ("macro_precision", SCORE, float(precision[present].mean())),
        (f"macro_f_{beta:.3f}", SCORE, float(f_beta(precision, recall, beta)[present].mean())),
        ("multiclass_balanced_accuracy", SCORE, float(recall[present].mean())),
    ]
    if values["loss"] == names.SOFTMAX:
        found.append(("multiclass_log_loss", LOSS, float(-np.log(np.maximum(own, 1e-7)).mean())))
    return found


def _regression(predicted: Doubles, label: Doubles) -> list[Score]:
    missing = predicted - label
    mse = float((missing * missing).mean())
    return [("mse", LOSS, mse), ("absolute_loss", LOSS, float(np.abs(missing).mean())), ("rmse", LOSS, mse**0.5)]
