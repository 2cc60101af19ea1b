"""The trials of a tuning job: training jobs that it owns, each with a name and a definition that its number fixes."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, prod
from typing import Any

from salvia.ports.metrics import MetricData, MetricKey
from salvia.ports.table import Query, Record
from salvia.resources.listing import every
from salvia.resources.world import World
from salvia.services.sagemaker.tuning.history import Trial
from salvia.services.sagemaker.tuning.request import Definition
from salvia.services.sagemaker.tuning.space import point_of

_NAMESPACE = "/aws/sagemaker/TrainingJobs"
_COPIED = (
    "ResourceConfig",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "RetryStrategy",
    "Environment",
)
_SHOWN = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingJobStatus",
    "FailureReason",
)
_STEP = 1000


def name_of(tuning: Record, number: int) -> str:
    """A function of the record and the number alone: a trial that is launched again after a crash is the same one."""
    digest = hashlib.sha256(f"{tuning.arn} {tuning.created} {number}".encode()).hexdigest()
    return f"{tuning.name}-{number + 1:03d}-{digest[:8]}"


def place_of(number: int, strategy: str, definitions: Sequence[Definition]) -> tuple[int, int]:
    """Which definition a trial is of, and its place among the trials of that definition; both from 0.

    Definitions take turns, but for a grid, which goes through them one after the other.
    """
    if strategy != "Grid":
        return number % len(definitions), number // len(definitions)
    for index, definition in enumerate(definitions):
        size = prod(len(each.values) for each in definition.ranges)
        if number < size:
            return index, number
        number -= size
    return len(definitions) - 1, number


def request_of(tuning: Record, definition: Definition, number: int, values: dict[str, str]) -> dict[str, Any]:
    """The CreateTrainingJob request of a trial."""
    name, document = name_of(tuning, number), definition.document
    request = {member: document[member] for member in _COPIED if member in document}
    if document.get("CheckpointConfig"):  # each trial below a prefix of its own: one must not go on where another was
        prefix = document["CheckpointConfig"]["S3Uri"].rstrip("/")
        request["CheckpointConfig"] = document["CheckpointConfig"] | {"S3Uri": f"{prefix}/{name}"}
    return request | {
        "TrainingJobName": name,
        "HyperParameters": {**definition.static, **values},
    }


async def observe(
    world: World, tuning: Record, strategy: str, definitions: Sequence[Definition], *, series: bool
) -> list[Trial]:
    """All trials there are, by number; with all values of their objective when `series` is asked for."""
    trials = [_trial(world, tuning, strategy, definitions, job) for job in await _jobs(world, tuning)]
    if series:
        trials = [await _with_series(world, tuning, definitions[trial.definition], trial) for trial in trials]
    return sorted(trials, key=lambda trial: trial.number)


async def _jobs(world: World, tuning: Record) -> list[Record]:
    query = Query("TrainingJob", tuning.account, tuning.region, owner=tuning.arn, sort="key", limit=_STEP)
    # A deleted tuning job of the same name has left its training jobs.
    return [job async for job in every(world.table, query) if job.created >= tuning.created]


def _trial(world: World, tuning: Record, strategy: str, definitions: Sequence[Definition], job: Record) -> Trial:
    number = int(job.name.rsplit("-", 2)[1]) - 1
    index, _ = place_of(number, strategy, definitions)
    definition = definitions[index]
    reported = _reported(job, definition.objective["MetricName"])
    values = job.spec["HyperParameters"]
    return Trial(
        number=number,
        name=job.name,
        state=job.state,
        definition=index,
        reported=reported,
        sign=definition.sign,
        point=point_of(definition.ranges, values),
        ended=job.status.get("TrainingEndTime"),
        summary=_summary(world, tuning, definition, job, reported),
    )


def _reported(job: Record, metric: str) -> float | None:
    for each in job.status.get("FinalMetricDataList") or ():
        if each["MetricName"] == metric and isfinite(each["Value"]):
            return float(each["Value"])
    return None


def _summary(
    world: World, tuning: Record, definition: Definition, job: Record, reported: float | None
) -> dict[str, Any]:
    shown = world.kinds["TrainingJob"].view(job)
    summary = {member: shown[member] for member in _SHOWN if member in shown}
    tuned = {each.name: job.spec["HyperParameters"].get(each.name, "") for each in definition.ranges}
    summary |= {"TunedHyperParameters": tuned, "TuningJobName": tuning.name, "ObjectiveStatus": "Pending"}
    if definition.name:
        summary["TrainingJobDefinitionName"] = definition.name
    if reported is not None:
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = dict(definition.objective) | {"Value": reported}
    if job.state != "InProgress":
        summary["ObjectiveStatus"] = "Failed" if reported is None or job.state == "Failed" else "Succeeded"
    return summary


async def _with_series(world: World, tuning: Record, definition: Definition, trial: Trial) -> Trial:
    data: MetricData = world.parts["metric_data"]
    key = MetricKey(
        tuning.account,
        tuning.region,
        _NAMESPACE,
        definition.objective["MetricName"],
        (("TrainingJobName", trial.name),),
    )
    seen = await data.observations(key, tuning.created, float("inf"))
    values = tuple(definition.sign * each.total / each.sample_count for each in seen)
    return replace(trial, series=values)
