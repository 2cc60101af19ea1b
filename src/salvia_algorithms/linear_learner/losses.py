"""The losses: for the scores of many models at once, what each model loses and the slope of it.

Scores are (n, models), or (n, models, classes) where there are classes; labels (n,), of classes as whole numbers. A loss
turns the scores, in place, into its slope with regard to them, and returns the losses of all rows, (n, models).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.linear_learner import hyperparameters as names

Floats = npt.NDArray[np.float32]
LEAST = np.float32(1e-7)  # a probability below it counts as this much: about what float32 can tell from 0


@dataclass(frozen=True, slots=True)
class Loss:
    """`objective` is its name in AWS's log. `degree` is how it grows with the unit of the label: loss(s r) = s^degree loss(r)."""

    objective: str
    apply: Callable[[Floats, Floats], Floats]
    degree: int = 0


def loss_of(values: Mapping[str, Any], label_scale: float = 1.0) -> Loss:
    """The loss of a job, for labels that were divided by `label_scale`."""
    kind, name = values["predictor_type"], values["loss"]
    if kind == names.BINARY:
        if name == names.LOGISTIC:
            return Loss("binary_classification_cross_entropy_objective", _logistic)
        return Loss("binary_classification_hinge_loss_objective", lambda z, y: _hinge(z, y, values["margin"]))
    if kind == names.MULTICLASS:
        if name == names.SOFTMAX:
            return Loss("multiclass_cross_entropy_objective", _softmax)
        return Loss("multiclass_hinge_loss_objective", lambda z, y: _largest_hinge(z, y, values["margin"]))
    insensitivity, delta = values["loss_insensitivity"] / label_scale, values["huber_delta"] / label_scale
    return {
        names.SQUARED: Loss("mse_objective", _squared, 2),
        names.ABSOLUTE: Loss("absolute_loss_objective", lambda z, y: _quantile(z, y, 0.5, 2.0), 1),
        names.QUANTILE: Loss("quantile_loss_objective", lambda z, y: _quantile(z, y, values["quantile"], 1.0), 1),
        names.HUBER: Loss("huber_loss_objective", lambda z, y: _huber(z, y, delta), 2),
        names.EPS_SQUARED: Loss(
            "eps_insensitive_squared_loss_objective", lambda z, y: _insensitive_squared(z, y, insensitivity), 2
        ),
        names.EPS_ABSOLUTE: Loss(
            "eps_insensitive_absolute_loss_objective", lambda z, y: _insensitive_absolute(z, y, insensitivity), 1
        ),
    }[name]


def sigmoid(scores: Floats) -> Floats:
    with np.errstate(over="ignore"):
        chances: Floats = np.reciprocal(1 + np.exp(-scores))
    return chances


def _logistic(scores: Floats, label: Floats) -> Floats:
    np.negative(scores, out=scores)
    np.exp(scores, out=scores)
    scores += 1
    np.reciprocal(scores, out=scores)
    scores -= label[:, None]
    # How far a probability is from the label is what is missing to a sure and right one.
    right: Floats = np.abs(scores)
    np.subtract(1, right, out=right)
    np.maximum(right, LEAST, out=right)
    np.log(right, out=right)
    np.negative(right, out=right)
    return right


def _hinge(scores: Floats, label: Floats, margin: float) -> Floats:
    sign = (2 * label - 1)[:, None]
    losses: Floats = np.maximum(margin - sign * scores, 0)
    scores[:] = np.where(losses > 0, -sign, 0)
    return losses


def _softmax(scores: Floats, label: Floats) -> Floats:
    scores -= scores.max(axis=2, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=2, keepdims=True)
    rows, classes = np.arange(len(label)), label.astype(np.int64)
    right = scores[rows, :, classes]
    scores[rows, :, classes] = right - 1
    losses: Floats = -np.log(np.maximum(right, LEAST))
    return losses


def _largest_hinge(scores: Floats, label: Floats, margin: float) -> Floats:
    """How far the best wrong class comes within the margin of the right one."""
    rows, classes = np.arange(len(label)), label.astype(np.int64)
    right = scores[rows, :, classes].copy()
    scores[rows, :, classes] = -np.inf
    best = scores.argmax(axis=2)
    losses: Floats = np.maximum(margin + scores.max(axis=2) - right, 0)
    wrong = (losses > 0).astype(np.float32)
    scores[:] = 0
    np.put_along_axis(scores, best[:, :, None], wrong[:, :, None], axis=2)
    scores[rows, :, classes] = -wrong
    return losses


def _squared(scores: Floats, label: Floats) -> Floats:
    scores -= label[:, None]
    losses: Floats = scores * scores
    scores *= 2
    return losses


def _quantile(scores: Floats, label: Floats, quantile: float, times: float) -> Floats:
    """With the quantile 0.5, and twice, it is the absolute loss."""
    missing = label[:, None] - scores
    scores[:] = np.where(missing > 0, -quantile * times, np.where(missing < 0, (1 - quantile) * times, 0))
    losses: Floats = -scores * missing
    return losses


def _huber(scores: Floats, label: Floats, delta: float) -> Floats:
    scores -= label[:, None]
    inside: Floats = np.clip(scores, -delta, delta)
    losses: Floats = inside * (scores - np.float32(0.5) * inside)
    scores[:] = inside
    return losses


def _insensitive_squared(scores: Floats, label: Floats, width: float) -> Floats:
    scores -= label[:, None]
    scores -= np.clip(scores, -width, width)
    losses: Floats = scores * scores
    scores *= 2
    return losses


def _insensitive_absolute(scores: Floats, label: Floats, width: float) -> Floats:
    scores -= label[:, None]
    losses: Floats = np.maximum(np.abs(scores) - np.float32(width), 0)
    scores[:] = np.where(losses > 0, np.sign(scores), 0)
    return losses
