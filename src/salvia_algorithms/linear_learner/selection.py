"""Which model is the best so far, and whether it is still worth going on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.fitting import Evaluation
from salvia_algorithms.linear_learner.thresholds import calibrated

SAMPLED = "sampled_"


@dataclass(slots=True)
class Selection:
    """The best model: `model` is its number, `parameters` its columns; `key` orders models, less is better.

    `stale` counts the epochs in a row whose best was hardly better than what was known; `reference` is what they have to
    beat.
    """

    model: int = -1
    parameters: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    key: tuple[float, float] = (np.inf, np.inf)
    loss: float = np.inf
    reference: float = np.inf
    stale: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best of one epoch. `shown` is what the log says of it: the criterion and its value."""

    model: int
    key: tuple[float, float]
    loss: float
    shown: tuple[str, float]


def ranked(
    values: Mapping[str, Any], objective: str, losses: npt.NDArray[np.float64], found: Evaluation | None
) -> Ranking:
    """By the criterion on validation data, where there is one for a classifier; else by the loss. Equals go by the loss."""
    losses = np.where(np.isfinite(losses), losses, np.inf)
    criterion = values["binary_classifier_model_selection_criteria"]
    if (
        values["predictor_type"] != names.BINARY
        or found is None
        or criterion == names.LOSS_FUNCTION
        or not len(found.label)
    ):
        best = int(losses.argmin())
        return Ranking(best, (float(losses[best]), 0.0), float(losses[best]), (objective, float(losses[best])))
    scores = np.where(np.isfinite(found.scores), found.scores, 0)
    worth = np.where(np.isfinite(losses), calibrated(scores, found.label, values).value, -np.inf)
    best = int(np.lexsort((losses, -worth))[0])
    key = (float(-worth[best]), float(losses[best]))
    return Ranking(best, key, float(losses[best]), (SAMPLED + criterion, float(worth[best])))


def improved(selection: Selection, ranking: Ranking, parameters: Floats, tolerance: float) -> bool:
    """Takes over what is better; returns whether it is better by more than the tolerance, a part of what was known."""
    if ranking.key < selection.key:
        selection.model, selection.parameters = ranking.model, parameters
        selection.key, selection.loss = ranking.key, ranking.loss
    value = ranking.key[0]
    better = not np.isfinite(selection.reference) or selection.reference - value > tolerance * abs(selection.reference)
    if better:
        selection.reference, selection.stale = value, 0
    else:
        selection.stale += 1
    return bool(better)
