"""The models that are trained beside each other: one for each combination of what the user left to the algorithm."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salvia_algorithms.linear_learner.hyperparameters import MULTICLASS

MODELS = 32  # AWS's number
WEIGHTS = 1 << 22  # of all models together; where there are many features or classes, fewer models are trained

LEARNING_RATES = {
    "adam": (0.01, 0.1, 0.03, 0.003),
    "rmsprop": (0.01, 0.1, 0.03, 0.003),
    "sgd": (0.1, 0.01, 0.03, 0.003),
}
DECAYS = (0.0, 1e-3, 1e-2, 1e-1)
SPARSITIES = (0.0, 1e-3)
STEP, FACTOR, LEAST = 100, 0.99, 1e-5


@dataclass(frozen=True, slots=True)
class Candidate:
    """What distinguishes one model; the names are AWS's."""

    optimizer: str
    learning_rate: float
    wd: float
    l1: float
    lr_scheduler_step: int
    lr_scheduler_factor: float
    lr_scheduler_minimum_lr: float

    def described(self) -> dict[str, Any]:
        return asdict(self)


def candidates(values: Mapping[str, Any], features: int) -> list[Candidate]:
    """As many as asked for, or as make sense: what the user has settled is the same in all of them.

    A tuning job tries combinations itself, so each of its jobs trains one model. The first is a good guess by itself.
    """
    rates = _choices(values["learning_rate"], LEARNING_RATES[values["optimizer"]])
    combinations: list[tuple[float, ...]] = [
        *itertools.product(_choices(values["wd"], DECAYS), _choices(values["l1"], SPARSITIES), rates)
    ]
    classes = values["num_classes"] if values["predictor_type"] == MULTICLASS else 1
    count = values["num_models"]
    if count is None:
        count = 1 if values["_tuning_objective_metric"] else min(MODELS, len(combinations))
        count = max(1, min(count, WEIGHTS // (features * classes)))
    combinations += _more(combinations, values, count)
    scheduled = values["use_lr_scheduler"]
    step = _given(values["lr_scheduler_step"], STEP)
    factor = _given(values["lr_scheduler_factor"], FACTOR) if scheduled else 1.0
    least = _given(values["lr_scheduler_minimum_lr"], LEAST) if scheduled else 0.0
    return [Candidate(values["optimizer"], rate, wd, l1, step, factor, least) for wd, l1, rate in combinations[:count]]


def _more(known: list[tuple[float, ...]], values: Mapping[str, Any], count: int) -> list[tuple[float, ...]]:
    """Beyond the grid: random combinations within it, the same in every run."""
    random = np.random.default_rng(0)
    more: list[tuple[float, ...]] = []
    for _ in range(count - len(known)):
        wd, l1, rate = 10 ** random.uniform((-6, -6, -3), (0, -2, -0.5))
        more.append(
            (
                _given(values["wd"], float(wd)),
                _given(values["l1"], float(l1)),
                _given(values["learning_rate"], float(rate)),
            )
        )
    return more


def _choices(given: float | None, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    return otherwise if given is None else (given,)


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value
