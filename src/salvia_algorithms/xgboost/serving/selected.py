"""SAGEMAKER_INFERENCE_OUTPUT: which values of a prediction are answered, under which names. AutoML jobs ask for these."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from salvia_algorithms.xgboost.serving.predicting import Scores, as_lists

LABEL, LABELS, SCORE = "predicted_label", "labels", "predicted_score"
PROBABILITY, PROBABILITIES = "probability", "probabilities"
RAW_SCORE, RAW_SCORES = "raw_score", "raw_scores"
KEYS = (LABEL, LABELS, SCORE, PROBABILITY, PROBABILITIES, RAW_SCORE, RAW_SCORES)

Row = dict[str, Any]


def select(scores: Scores, keys: Sequence[str], objective: str, classes: int) -> list[Row]:
    """One object for each row, with each of `keys`; NaN for those that the objective has no such value for."""
    describe = _DESCRIBED.get(objective, _regression)
    rows = [describe(score, max(classes, 2)) for score in as_lists(scores)]
    return [{key: row.get(key, math.nan) for key in keys} for row in rows]


def _regression(score: float, _: int) -> Row:
    return {SCORE: score}


def _logistic(score: float, _: int) -> Row:
    both = [1.0 - score, score]
    chosen = max(both)
    return {
        LABEL: int(score > 0.5),
        LABELS: [0, 1],
        PROBABILITY: chosen,
        PROBABILITIES: both,
        RAW_SCORE: chosen,
        RAW_SCORES: both,
    }


def _margin(score: float, _: int) -> Row:
    return {LABEL: int(score > 0), LABELS: [0, 1], RAW_SCORE: score, RAW_SCORES: [-score, score]}


def _hinge(score: float, _: int) -> Row:
    both = [1.0 - score, score]
    return {LABEL: int(score), LABELS: [0, 1], RAW_SCORE: score, RAW_SCORES: both}


def _softmax(score: float, classes: int) -> Row:
    return {LABEL: int(score), LABELS: list(range(classes)), RAW_SCORE: score}


def _softprob(score: list[float], classes: int) -> Row:
    best = int(np.argmax(score))
    return {
        LABEL: best,
        LABELS: list(range(classes)),
        PROBABILITY: score[best],
        PROBABILITIES: score,
        RAW_SCORE: score[best],
        RAW_SCORES: score,
    }


_DESCRIBED: dict[str, Callable[[Any, int], Row]] = {
    "binary:logistic": _logistic,
    "binary:logitraw": _margin,
    "binary:hinge": _hinge,
    "multi:softmax": _softmax,
    "multi:softprob": _softprob,
}
