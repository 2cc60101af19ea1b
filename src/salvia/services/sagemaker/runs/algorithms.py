"""Algorithm resources as jobs use them: what one stands for in a training job, and what it lets a request ask for.

Source: the pages "TrainingSpecification", "HyperParameterSpecification" and "ChannelSpecification" of the SageMaker API reference.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.named import named

_PLATFORM = ("_", "sagemaker_")  # hyperparameters of the platform's own begin so


async def usable(world: World, name: str, scope: Scope) -> Record:
    """The algorithm of that name or ARN. Raises ValidationError when there is none, or when it has not been validated."""
    record = await named(world, "Algorithm", name, scope)
    if record.state != "Completed":
        raise ValidationError(
            f"Algorithm {record.arn} cannot be used: its status is {record.state}, and must be Completed."
        )
    return record


def applied(name: str, training: Mapping[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """The spec of a training job (as training/request.py completes it) that names an algorithm with this TrainingSpecification.

    Missing hyperparameters get their defaults. Raises ValidationError for what the algorithm does not support.
    """
    _check_resources(name, training, spec["ResourceConfig"])
    _check_channels(
        name, training, spec.get("InputDataConfig") or (), spec["AlgorithmSpecification"]["TrainingInputMode"]
    )
    given = spec.get("HyperParameters", {})
    known = {each["Name"]: each for each in training.get("SupportedHyperParameters", ())}
    _check_hyperparameters(name, known, given)
    return spec | {
        "HyperParameters": with_defaults(training, given),
        "_algorithm": {"image": training["TrainingImage"], "metrics": training.get("MetricDefinitions", [])},
    }


def with_defaults(training: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The hyperparameters as the container gets them."""
    rules = training.get("SupportedHyperParameters", ())
    return {rule["Name"]: rule["DefaultValue"] for rule in rules if "DefaultValue" in rule} | dict(given)


def check_tuned(record: Record, tuned: Iterable[str], metric: str, better: str) -> None:
    """Whether hyperparameters of the algorithm can be tuned for a metric. Raises ValidationError."""
    training = record.spec["TrainingSpecification"]
    rules = {each["Name"]: each for each in training.get("SupportedHyperParameters", ())}
    for name in tuned if rules else ():
        if not rules.get(name, {}).get("IsTunable"):
            raise ValidationError(f"The hyperparameter {name} of the algorithm {record.name} is not tunable.")
    objectives = training.get("SupportedTuningJobObjectiveMetrics")
    words = {(each["MetricName"], each["Type"]) for each in objectives or ()}
    if objectives and (metric, better) not in words:
        supported = ", ".join(f"{kind} {each}" for each, kind in sorted(words))
        raise ValidationError(
            f"The objective metric for the hyperparameter tuning job, [{metric}], isn't valid for the [{record.name}] "
            f"algorithm with the type {better}. Choose a valid objective metric: {supported}."
        )


def wrong_value(rule: Mapping[str, Any], value: str) -> str:
    """What a value must be, by a HyperParameterSpecification; "" when it is that."""
    kind, ranges = rule["Type"], rule.get("Range") or {}
    if kind == "Categorical":
        values = ranges.get("CategoricalParameterRangeSpecification", {}).get("Values", [value])
        return "" if value in values else f"one of {', '.join(values)}"
    if kind == "FreeText":
        return ""
    words = "an integer" if kind == "Integer" else "a number"
    limits = ranges.get(f"{kind}ParameterRangeSpecification")
    try:
        number: float = int(value) if kind == "Integer" else float(value)
        fits = isfinite(number) and (not limits or float(limits["MinValue"]) <= number <= float(limits["MaxValue"]))
    except ValueError:
        fits = False
    return "" if fits else words + (f" from {limits['MinValue']} to {limits['MaxValue']}" if limits else "")


def _check_hyperparameters(name: str, known: Mapping[str, Any], given: Mapping[str, str]) -> None:
    if not known:
        return
    for each, value in given.items():
        if each in known:
            expected = wrong_value(known[each], value)
            if expected:
                raise ValidationError(
                    f"Hyperparameter {each} of the algorithm {name} must be {expected}: it is {value!r}."
                )
        elif not each.startswith(_PLATFORM):
            raise ValidationError(f"Hyperparameter {each} is not supported by the algorithm {name}.")
    for each, rule in known.items():
        if rule.get("IsRequired") and each not in given and "DefaultValue" not in rule:
            raise ValidationError(f"Hyperparameter {each} is required by the algorithm {name}.")


def _check_resources(name: str, training: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
    groups = resources.get("InstanceGroups") or [resources]
    for group in groups:
        if group["InstanceType"] not in training["SupportedTrainingInstanceTypes"]:
            supported = ", ".join(training["SupportedTrainingInstanceTypes"])
            raise ValidationError(
                f"InstanceType {group['InstanceType']} is not supported by the algorithm {name}: use one of {supported}."
            )
    if training.get("SupportsDistributedTraining") is False and sum(group["InstanceCount"] for group in groups) > 1:
        raise ValidationError(f"The algorithm {name} does not support distributed training: InstanceCount must be 1.")


def _check_channels(name: str, training: Mapping[str, Any], given: Iterable[Mapping[str, Any]], mode: str) -> None:
    known = {each["Name"]: each for each in training["TrainingChannels"]}
    channels = {channel["ChannelName"]: channel for channel in given}
    for each, channel in channels.items():
        if each not in known:
            raise ValidationError(f"Channel {each} is not supported by the algorithm {name}.")
        _check_channel(name, known[each], channel, mode)
    for each, rule in known.items():
        if rule.get("IsRequired") and each not in channels:
            raise ValidationError(f"Channel {each} is required by the algorithm {name}.")


def _check_channel(name: str, rule: Mapping[str, Any], channel: Mapping[str, Any], mode: str) -> None:
    media = channel.get("ContentType", "").partition(";")[0].strip()
    for member, value, supported in (
        ("InputMode", channel.get("InputMode") or mode, rule["SupportedInputModes"]),
        ("CompressionType", channel.get("CompressionType", "None"), rule.get("SupportedCompressionTypes") or ()),
        ("ContentType", media, [each.partition(";")[0].strip() for each in rule["SupportedContentTypes"]]),
    ):
        if value and supported and value not in supported:
            raise ValidationError(
                f"Channel {channel['ChannelName']}: {member} {value} is not supported by the algorithm {name}: "
                f"use one of {', '.join(supported)}."
            )
