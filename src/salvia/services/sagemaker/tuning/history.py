"""What a tuning job knows of its trials when it decides what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from salvia.services.sagemaker.tuning.space import Range


@dataclass(frozen=True, slots=True)
class Trial:
    """One training job of a tuning job, seen from its objective.

    `number` counts from 0. `reported` is the last value of the objective metric, None before there is one; times `sign` it is
    something that shall be small, and so are the values of `series`, which are all of them. `point` is where its
    hyperparameters stand in the unit cube, None when outside the ranges. `summary` is what the API shows of it.
    """

    number: int
    name: str
    state: str
    definition: int = 0
    reported: float | None = None
    sign: float = 1.0
    series: tuple[float, ...] = ()
    point: Sequence[float] | None = None
    ended: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        return None if self.reported is None else self.sign * self.reported

    @property
    def running(self) -> bool:
        return self.state == "InProgress"

    @property
    def succeeded(self) -> bool:
        """It ended and has a value, whether it was let finish or was stopped early."""
        return self.state in {"Completed", "Stopped"} and self.value is not None


@dataclass(frozen=True, slots=True)
class History:
    """What a strategy decides from: the trials of one definition, and points with values from earlier tuning jobs (`earlier`).

    `number` is the place of the trial to come among those of its definition, from 0.
    """

    ranges: Sequence[Range]
    seed: int
    number: int
    trials: Sequence[Trial] = ()
    earlier: Sequence[tuple[Sequence[float], float]] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the next trial shall stand in the unit cube, and what was thought of it."""

    point: Sequence[float]
    belief: dict[str, float] = field(default_factory=dict)
