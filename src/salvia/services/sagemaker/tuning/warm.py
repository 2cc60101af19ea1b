"""Warm start: what earlier tuning jobs found, as points and values of this one.

IdenticalDataAndAlgorithm takes the values as they are. TransferLearning first tries the parents' best hyperparameters again
and takes the parents' values shifted by what that showed to be the difference. Source: the page "Run a Warm Start
Hyperparameter Tuning Job" of the SageMaker documentation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.tuning.history import Choice, Trial
from salvia.services.sagemaker.tuning.request import Definition, definitions_of
from salvia.services.sagemaker.tuning.space import point_of
from salvia.services.sagemaker.tuning.trials import observe

NOUN = "HyperParameterTuningJob"
RETRIED = 4  # of the parents' best, in a TransferLearning job
_MOST_CHANGES = 10
_ENDED = ("Completed", "Stopped", "Failed")


@dataclass(frozen=True, slots=True)
class Past:
    """Points of the unit cube of this job with the parents' values there, best first."""

    points: Sequence[tuple[Sequence[float], float]] = ()
    transfers: bool = False

    def again(self, number: int) -> Choice | None:
        """What trial `number` of a TransferLearning job tries again; None for the model's own choice."""
        if self.transfers and number < min(RETRIED, len(self.points)):
            return Choice(self.points[number][0])
        return None

    def known(self, trials: Sequence[Trial]) -> list[tuple[Sequence[float], float]]:
        """The points with the values that they may have here."""
        if not self.transfers:
            return list(self.points)
        here = {_place(trial.point): trial.value for trial in trials if trial.succeeded and trial.point}
        shifts = [found - value for point, value in self.points if (found := here.get(_place(point))) is not None]
        shift = sum(shifts) / len(shifts) if shifts else 0.0
        return [(point, value + shift) for point, value in self.points]


def _place(point: Sequence[float]) -> tuple[float, ...]:
    """The same for a point that went through its hyperparameters and back."""
    return tuple(round(unit, 9) for unit in point)


async def parents_of(world: World, spec: Mapping[str, Any], scope: Scope) -> list[Record]:
    """Raises ValidationError when one of them is not there."""
    found = []
    for each in spec.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ()):
        name = each["HyperParameterTuningJobName"]
        record = await world.table.get(NOUN, scope.account, scope.region, name.lower())
        if record is None:
            raise ValidationError(f"Could not find the parent hyperparameter tuning job {name} of the WarmStartConfig.")
        found.append(record)
    return found


def check(spec: Mapping[str, Any], parents: Sequence[Record]) -> None:
    """Raises ValidationError when a parent does not fit."""
    mine = definitions_of(spec)[0]
    for parent in parents:
        if parent.state not in _ENDED:
            raise ValidationError(
                f"The parent hyperparameter tuning job {parent.name} is {parent.state}: a parent must have ended "
                f"({', '.join(_ENDED)})."
            )
        theirs = definitions_of(parent.spec)
        if len(theirs) > 1:
            raise ValidationError(
                f"The parent {parent.name} has TrainingJobDefinitions: it cannot be used for a warm start."
            )
        _check_one(spec["WarmStartConfig"]["WarmStartType"], mine, theirs[0], parent.name)


def _check_one(kind: str, mine: Definition, theirs: Definition, name: str) -> None:
    if dict(mine.objective) != dict(theirs.objective):
        raise ValidationError(
            f"The objective metric of the tuning job must be that of its parent {name}: {theirs.objective['MetricName']}, "
            f"{theirs.objective['Type']}."
        )
    kinds, before = ({each.name: each.kind for each in one.ranges} for one in (mine, theirs))
    if set(kinds) | set(mine.static) != set(before) | set(theirs.static):
        raise ValidationError(
            f"The hyperparameters of the tuning job, static and tunable together, must be the same as those of its parent {name}."
        )
    changed = [each for each in kinds if before.get(each, kinds[each]) != kinds[each]]
    if changed:
        raise ValidationError(
            f"The type of the hyperparameters [{', '.join(changed)}] differs from the parent {name}'s."
        )
    moved = set(kinds) ^ set(before)
    static = [each for each in mine.static if each in theirs.static and mine.static[each] != theirs.static[each]]
    if len(moved) + len(static) > _MOST_CHANGES:
        raise ValidationError(
            f"At most {_MOST_CHANGES} hyperparameters may become static or tunable or have another static value than in a parent."
        )
    if kind == "IdenticalDataAndAlgorithm" and not _same_data(mine, theirs):
        raise ValidationError(
            f"The input data and the training image must be those of the parent {name} when the WarmStartType is "
            "IdenticalDataAndAlgorithm: use TransferLearning instead."
        )


def _same_data(mine: Definition, theirs: Definition) -> bool:
    def essence(one: Definition) -> Any:
        algorithm = one.document["AlgorithmSpecification"]
        return one.document.get("InputDataConfig"), algorithm.get("TrainingImage"), algorithm.get("AlgorithmName")

    return bool(essence(mine) == essence(theirs))


async def past_of(world: World, tuning: Record, definition: Definition) -> Past:
    """Values that parents found outside the ranges of this job are left out."""
    config = tuning.spec.get("WarmStartConfig")
    if not config:
        return Past()
    found: list[tuple[Sequence[float], float]] = []
    for parent in await parents_of(world, tuning.spec, Scope(tuning.account, tuning.region)):
        theirs = definitions_of(parent.spec)
        strategy = parent.spec["HyperParameterTuningJobConfig"]["Strategy"]
        for trial in await observe(world, parent, strategy, theirs, series=False):
            values = theirs[0].static | trial.summary["TunedHyperParameters"]
            point = point_of(definition.ranges, values)
            if trial.succeeded and trial.value is not None and point is not None:
                found.append((point, trial.value))
    found.sort(key=lambda one: one[1])
    return Past(found, config["WarmStartType"] == "TransferLearning")


def overall_best(mine: Mapping[str, Any] | None, parents: Sequence[Record], sign: float) -> Mapping[str, Any] | None:
    """The best training job of this tuning job and of its parents, as the API shows it."""
    candidates = [
        mine,
        *(parent.status.get("OverallBestTrainingJob") or parent.status.get("BestTrainingJob") for parent in parents),
    ]
    known = [each for each in candidates if each]
    return min(
        known, key=lambda each: sign * each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], default=None
    )
