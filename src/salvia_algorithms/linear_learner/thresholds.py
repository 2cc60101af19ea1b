"""Where a binary classifier's score becomes a yes: the threshold that does best by the chosen criterion.

Scores are (n, models). Every threshold that tells apart different scores is considered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.linear_learner import hyperparameters as names

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The best threshold of each model, and what the criterion is worth at it: 0 to 1, more is better."""

    threshold: Doubles
    value: Doubles


def calibrated(scores: Floats, label: Floats, values: Mapping[str, Any]) -> Calibrated:
    """`label` has 0 and 1. Where a target cannot be reached, the threshold that comes closest to it."""
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=0)
    positive = label[order].astype(np.float64)
    hits = np.cumsum(positive, axis=0)
    called = np.arange(1, len(label) + 1, dtype=np.float64)[:, None]
    worth = _worth(hits, called, float(label.sum()), len(label), values)
    # A threshold between two equal scores tells nothing apart.
    worth[:-1][ranked[:-1] == ranked[1:]] = -np.inf
    best = _nearest(worth, ranked, float(label.sum()), values)
    columns = np.arange(scores.shape[1])
    last = ranked[best, columns].astype(np.float64)
    following = ranked[np.minimum(best + 1, len(label) - 1), columns].astype(np.float64)
    threshold = np.where(best + 1 < len(label), (last + following) / 2, np.minimum(last - 1e-6, last * (1 - 1e-6)))
    # Between neighbouring float32 numbers the middle may round up to the one that must stay above it.
    threshold = np.where(threshold.astype(np.float32) >= last, following, threshold)
    value = worth[best, columns]
    # Calling everything negative is a way, too.
    nothing = _worth(np.zeros((1, 1)), np.zeros((1, 1)), float(label.sum()), len(label), values)[0, 0]
    top = ranked[0].astype(np.float64)
    return Calibrated(
        np.where(nothing > value, np.maximum(top + 1e-6, top * (1 + 1e-6)), threshold), np.maximum(value, nothing)
    )


def default_threshold(values: Mapping[str, Any]) -> float:
    """Where a model that is right about chances would draw the line; also the middle of the margin."""
    return 0.5 if values["loss"] == names.LOGISTIC else 0.0


def _nearest(worth: Doubles, ranked: Floats, positives: float, values: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    """The best places to cut; of those that half a row would make equal, the one nearest to the default threshold."""
    criterion = values["binary_classifier_model_selection_criteria"]
    rows = {names.ACCURACY: len(worth), names.F_BETA: positives}.get(criterion)
    best: npt.NDArray[np.int64] = worth.argmax(axis=0)
    if not rows:
        return best
    distance = np.abs(ranked - np.float32(default_threshold(values)))
    distance[worth < worth.max(axis=0) - 0.5 / rows] = np.inf
    nearest: npt.NDArray[np.int64] = distance.argmin(axis=0)
    return nearest


def _worth(hits: Doubles, called: Doubles, positives: float, rows: int, values: Mapping[str, Any]) -> Doubles:
    criterion = values["binary_classifier_model_selection_criteria"]
    if criterion in (names.ACCURACY, names.LOSS_FUNCTION):
        accuracy: Doubles = (hits + (rows - positives - (called - hits))) / rows
        return accuracy
    precision = hits / np.maximum(called, 1)
    recall = hits / max(positives, 1.0)
    if criterion == names.F_BETA:
        return f_beta(precision, recall, values["f_beta"])
    if criterion == names.PRECISION_AT_RECALL:
        return _at(precision, recall, values["target_recall"])
    return _at(recall, precision, values["target_precision"])


def f_beta(precision: Doubles, recall: Doubles, beta: float) -> Doubles:
    square = beta * beta
    both = square * precision + recall
    return np.where(both > 0, (1 + square) * precision * recall / np.where(both > 0, both, 1), 0.0)


def _at(wanted: Doubles, held: Doubles, target: float) -> Doubles:
    """What is wanted where the other is held; below the target, less than that by how much is missing."""
    return np.where(held >= target, wanted, held - target - 1)
