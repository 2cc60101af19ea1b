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
    """The best model: `model` is its number, `parameters` its columns, `loss` and `worth` what it is as a Ranking says.

    `stale` counts the epochs in a row whose best was hardly better than what was known; `reference` is what they have to
    beat: worth and loss.
    """

    model: int = -1
    parameters: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    worth: float = -np.inf
    loss: float = np.inf
    reference: tuple[float, float] = (-np.inf, np.inf)
    stale: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best of one epoch. `worth` is the value of the criterion, 0 where models are compared by their loss alone.

    `doubt` is the standard error of `worth`. `criterion` and `shown` are what the log says.
    """

    model: int
    worth: float
    doubt: float
    loss: float
    criterion: str
    shown: float


def ranked(
    values: Mapping[str, Any], objective: str, losses: npt.NDArray[np.float64], found: Evaluation | None
) -> Ranking:
    """By the criterion on validation data, where there is one for a classifier; else by the loss.

    A criterion counts rows, and a few rows more or less are chance. What cannot be told from the best goes by the loss.
    """
    losses = np.where(np.isfinite(losses), losses, np.inf)
    criterion = values["binary_classifier_model_selection_criteria"]
    if (
        values["predictor_type"] != names.BINARY
        or found is None
        or criterion == names.LOSS_FUNCTION
        or not len(found.label)
    ):
        best = int(losses.argmin())
        return Ranking(best, 0.0, 0.0, float(losses[best]), objective, float(losses[best]))
    scores = np.where(np.isfinite(found.scores), found.scores, 0)
    worth = np.where(np.isfinite(losses), calibrated(scores, found.label, values).value, -np.inf)
    doubt = _standard_error(float(worth.max()), found.label, criterion)
    best = int(np.where(worth >= worth.max() - doubt, losses, np.inf).argmin())
    return Ranking(best, float(worth[best]), doubt, float(losses[best]), SAMPLED + criterion, float(worth[best]))


def improved(selection: Selection, ranking: Ranking, parameters: Floats, tolerance: float) -> bool:
    """Takes over what is better; returns whether it is better by more than the tolerance, a part of what was known."""
    ahead = ranking.worth - selection.worth
    if ahead > ranking.doubt or (ahead >= -ranking.doubt and ranking.loss < selection.loss):
        selection.model, selection.parameters = ranking.model, parameters
        selection.worth, selection.loss = ranking.worth, ranking.loss
    worth, loss = selection.reference
    better = (
        not np.isfinite(worth)
        or ranking.worth - worth > tolerance * abs(worth)
        or loss - ranking.loss > tolerance * loss
    )
    if better:
        selection.reference, selection.stale = (max(worth, ranking.worth), min(loss, ranking.loss)), 0
    else:
        selection.stale += 1
    return bool(better)


def _standard_error(worth: float, label: Floats, criterion: str) -> float:
    """Accuracy is a mean over all rows; the others are, more or less, over the positive ones."""
    rows = len(label) if criterion == names.ACCURACY else label.sum()
    chance = min(max(worth, 0.0), 1.0)
    return float((chance * (1 - chance) / max(float(rows), 1.0)) ** 0.5)
