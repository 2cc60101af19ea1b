"""A model of how an objective depends on hyperparameters, asked where to look next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Observations:
    """What is known of an objective that is to be made small, over the unit cube.

    `dimensions` describes each coordinate: {} a number, {"steps": [...]} a number that takes only these units,
    {"categories": n} one of n, in equal parts of the interval. `points` and `values` belong together; `pending` are points
    whose values are not known yet. `seed` and `number` (of the trial that is to come, from 0) fix all that is drawn by chance.
    """

    dimensions: Sequence[Mapping[str, Any]]
    points: Sequence[Sequence[float]]
    values: Sequence[float]
    pending: Sequence[Sequence[float]] = ()
    seed: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`point` of the unit cube. `belief` says what the model thinks of it, where there is a model: the `mean` and `deviation`
    that it predicts there, in units of the objective, and the `best` that it had seen.
    """

    point: Sequence[float]
    belief: Mapping[str, float] = field(default_factory=dict)


class SurrogateError(RuntimeError):
    """It failed; asking again may help."""


class Surrogate(Protocol):
    """The same observations give the same answers. Nothing is kept between two questions. Raises SurrogateError."""

    async def suggest(self, known: Observations) -> Suggestion: ...

    async def importance(self, known: Observations) -> Sequence[float]:
        """The share of the objective's variance that each coordinate explains by itself, from 0 to 1; zeros when too little is known."""
        ...

    async def close(self) -> None: ...
