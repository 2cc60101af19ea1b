"""The objective of a tuning job: whether its metric can be had, and what the trials say of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from salvia.base.errors import ValidationError
from salvia.ports.images import Images, UnknownImageError
from salvia.services.sagemaker.runs.built_in import metrics_of
from salvia.services.sagemaker.tuning.history import Trial
from salvia.services.sagemaker.tuning.request import Definition

_BUCKETS = {"Completed": "Completed", "Stopped": "Stopped", "InProgress": "InProgress"}


def check(images: Images, definition: Definition, known: Sequence[Mapping[str, Any]] = ()) -> None:
    """`known` are the metric definitions of the algorithm that the definition names, if it does. Raises ValidationError, in AWS's words, when no training job could ever report the objective."""
    algorithm = definition.document["AlgorithmSpecification"]
    metric, better = definition.objective["MetricName"], definition.objective["Type"]
    if any(each["Name"] == metric for each in (*algorithm.get("MetricDefinitions", ()), *known)):
        return
    image = algorithm.get("TrainingImage", "")
    try:
        built_in = {each.definition.name: each.better for each in metrics_of(images.resolve(image).algorithm)}
    except UnknownImageError:
        built_in = {}
    if not built_in or "sagemaker_program" in definition.static:
        raise ValidationError(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions."
        )
    if metric not in built_in:
        raise ValidationError(
            f"The objective metric for the hyperparameter tuning job, [{metric}], isn't valid for the [{image}] algorithm. "
            "Choose a valid objective metric."
        )
    if built_in[metric] != better:
        raise ValidationError(
            f"The objective metric type, [{better}], that you specified for objective metric, [{metric}], isn't valid for the "
            f"[{image}] algorithm. Choose a valid objective metric type."
        )


def counted(trials: Sequence[Trial]) -> tuple[dict[str, int], dict[str, int], Trial | None]:
    """TrainingJobStatusCounters, ObjectiveStatusCounters, and the best trial so far."""
    jobs = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
    objectives = {"Succeeded": 0, "Pending": 0, "Failed": 0}
    for trial in trials:
        jobs[_bucket(trial)] += 1
        objectives["Pending" if trial.running else "Succeeded" if trial.succeeded else "Failed"] += 1
    ended = [trial for trial in trials if trial.succeeded]
    return jobs, objectives, min(ended, key=lambda trial: (trial.value or 0.0, trial.number), default=None)


def _bucket(trial: Trial) -> str:
    if trial.state in _BUCKETS:
        return _BUCKETS[trial.state]
    reason = trial.summary.get("FailureReason", "")
    return "RetryableError" if reason.startswith("InternalServerError") else "NonRetryableError"


def seconds(trial: Trial) -> float:
    """How long it trained."""
    began, ended = (trial.summary.get(member) for member in ("TrainingStartTime", "TrainingEndTime"))
    return max(0.0, ended - began) if began is not None and ended is not None else 0.0
