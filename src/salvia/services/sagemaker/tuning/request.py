"""What CreateHyperParameterTuningJob accepts: defaults, and the rules between members.

The model's own constraints (required members, enums, patterns, ranges) are checked before a request gets here. Source: the
pages of CreateHyperParameterTuningJob and of the limits of automatic model tuning in the SageMaker documentation.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

from salvia.base.errors import LimitExceeded, ValidationError
from salvia.services.sagemaker.tuning.autotune import with_automatic_ranges
from salvia.services.sagemaker.tuning.space import Range, ranges_of

MOST_TUNED, MOST_HYPERPARAMETERS = 30, 100
MOST_JOBS, MOST_RANDOM_JOBS, MOST_PARALLEL = 750, 10_000, 100
RESOURCES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")  # where Hyperband looks for MaxResource
OBJECTIVE = "_tuning_objective_metric"
_FLAGS = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
_KINDS = ("Integer", "Continuous", "Categorical")


@dataclass(frozen=True, slots=True)
class Definition:
    """One of the training job definitions of a tuning job, with what the rest of the request says of it.

    `name` is "" for the only definition of a job that does not name it.
    """

    name: str
    document: Mapping[str, Any]
    objective: Mapping[str, Any]
    ranges: tuple[Range, ...]

    @property
    def sign(self) -> float:
        """What makes the objective something to be made small."""
        return -1.0 if self.objective["Type"] == "Maximize" else 1.0

    @property
    def static(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.document.get("StaticHyperParameters", {})
        return found


def definitions_of(spec: Mapping[str, Any]) -> list[Definition]:
    """Of an admitted request."""
    config = spec["HyperParameterTuningJobConfig"]
    several = spec.get("TrainingJobDefinitions")
    if several:
        return [
            Definition(one["DefinitionName"], one, one["TuningObjective"], ranges_of(one["HyperParameterRanges"]))
            for one in several
        ]
    one = spec["TrainingJobDefinition"]
    ranges = ranges_of(config.get("ParameterRanges") or one.get("HyperParameterRanges") or {})
    objective = config.get("HyperParameterTuningJobObjective") or one["TuningObjective"]
    return [Definition(one.get("DefinitionName", ""), one, objective, ranges)]


def admitted(request: dict[str, Any]) -> dict[str, Any]:
    """The spec of a tuning job. Raises ValidationError or LimitExceeded, in AWS's words where AWS has some."""
    _check_definitions(request)
    spec = with_automatic_ranges(request)
    config = {"TrainingJobEarlyStoppingType": "Off"} | spec["HyperParameterTuningJobConfig"]
    spec = spec | {"HyperParameterTuningJobConfig": config}
    for document in _range_documents(spec):
        _check_ranges(document)
    definitions = definitions_of(spec)
    for definition in definitions:
        _check_hyperparameters(definition)
    limits = config["ResourceLimits"]
    if config["Strategy"] == "Grid":
        limits = limits | {"MaxNumberOfTrainingJobs": _grid_size(definitions, limits)}
    _check_limits(config["Strategy"], limits)
    config["ResourceLimits"] = limits
    if config["Strategy"] == "Hyperband":
        _check_hyperband(config, definitions)
    elif config.get("StrategyConfig"):
        raise ValidationError("StrategyConfig can be given only when the Strategy is Hyperband.")
    if len(definitions) > 1 and config["TrainingJobEarlyStoppingType"] == "Auto":
        raise ValidationError(
            "TrainingJobEarlyStoppingType Auto is not supported with TrainingJobDefinitions: set it to Off."
        )
    return spec | _completed(spec, definitions)


def _completed(spec: Mapping[str, Any], definitions: list[Definition]) -> dict[str, Any]:
    """Every training job is told what it is tuned for, as a static hyperparameter that Describe shows too.

    Describe also shows its resources and metrics, from where the SDK's `attach` reads them.
    """
    told = [
        {
            **dict.fromkeys(_FLAGS, False),
            **one.document,
            "AlgorithmSpecification": {"MetricDefinitions": [], **one.document["AlgorithmSpecification"]},
            "StaticHyperParameters": {OBJECTIVE: one.objective["MetricName"], **one.static},
            "ResourceConfig": _resources(one.document),
        }
        for one in definitions
    ]
    return (
        {"TrainingJobDefinitions": told} if spec.get("TrainingJobDefinitions") else {"TrainingJobDefinition": told[0]}
    )


def _resources(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of InstanceConfigs, the first: they are in the order of preference, and here it is always to be had."""
    if document.get("ResourceConfig"):
        return dict(document["ResourceConfig"])
    asked = document["HyperParameterTuningResourceConfig"]
    first = asked["InstanceConfigs"][0] if asked.get("InstanceConfigs") else asked
    wanted = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    found = {member: source[member] for source in (asked, first) for member in wanted if member in source}
    return {"InstanceCount": 1} | found


def _check_definitions(request: Mapping[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    one, several = request.get("TrainingJobDefinition"), request.get("TrainingJobDefinitions")
    if bool(one) == bool(several):
        raise ValidationError(
            "You must specify exactly one of TrainingJobDefinition and TrainingJobDefinitions in a hyperparameter tuning job."
        )
    if several:
        _check_several(config, several)
        if request.get("WarmStartConfig"):
            raise ValidationError("WarmStartConfig is not supported with TrainingJobDefinitions.")
    elif one and not (config.get("HyperParameterTuningJobObjective") or one.get("TuningObjective")):
        raise ValidationError("HyperParameterTuningJobObjective is required in HyperParameterTuningJobConfig.")
    for definition in several or [one]:
        resources = definition.get("HyperParameterTuningResourceConfig")
        if bool(resources) == bool(definition.get("ResourceConfig")):
            raise ValidationError(
                "A training job definition must have exactly one of ResourceConfig and HyperParameterTuningResourceConfig."
            )
        if resources and not (resources.get("InstanceConfigs") or resources.get("InstanceType")):
            raise ValidationError(
                "HyperParameterTuningResourceConfig needs an InstanceType and an InstanceCount, or InstanceConfigs."
            )


def _check_several(config: Mapping[str, Any], several: list[dict[str, Any]]) -> None:
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if config.get(member):
            raise ValidationError(
                f"{member} cannot be in HyperParameterTuningJobConfig when TrainingJobDefinitions is used: "
                "each training job definition has its own."
            )
    for number, definition in enumerate(several, 1):
        for member in ("DefinitionName", "TuningObjective", "HyperParameterRanges"):
            if not definition.get(member):
                raise ValidationError(f"{member} is required in TrainingJobDefinitions: number {number} has none.")
    names = Counter(definition["DefinitionName"] for definition in several)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValidationError(f"DefinitionName must be unique in TrainingJobDefinitions: {', '.join(twice)} is not.")


def _range_documents(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield spec["HyperParameterTuningJobConfig"].get("ParameterRanges") or {}
    for definition in spec.get("TrainingJobDefinitions") or [spec["TrainingJobDefinition"]]:
        yield definition.get("HyperParameterRanges") or {}


def _check_ranges(document: Mapping[str, Any]) -> None:
    names = Counter(each["Name"] for kind in _KINDS for each in document.get(f"{kind}ParameterRanges", ()))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValidationError(f"The hyperparameter ranges have duplicate names: [{', '.join(twice)}].")
    for kind in ("Integer", "Continuous"):
        for each in document.get(f"{kind}ParameterRanges", ()):
            _check_numbers(kind, each)
    for each in document.get("CategoricalParameterRanges", ()):
        if len(set(each["Values"])) < len(each["Values"]):
            raise ValidationError(f"The categorical hyperparameter range {each['Name']} has duplicate values.")


def _check_numbers(kind: str, document: Mapping[str, Any]) -> None:
    name = document["Name"]
    low, high = (_number(kind, name, member, document[member]) for member in ("MinValue", "MaxValue"))
    if low > high:
        raise ValidationError(
            f"MinValue {document['MinValue']} of the hyperparameter {name} must not be larger than its MaxValue {document['MaxValue']}."
        )
    scaling = document.get("ScalingType", "Auto")
    if scaling == "Logarithmic" and low <= 0:
        raise ValidationError(
            f"Logarithmic scaling works only for ranges that have only values greater than 0: MinValue of {name} is {document['MinValue']}."
        )
    if scaling == "ReverseLogarithmic" and kind == "Integer":
        raise ValidationError(f"ReverseLogarithmic scaling is not supported for the integer hyperparameter {name}.")
    if scaling == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise ValidationError(
            f"ReverseLogarithmic scaling works only for ranges that are entirely within the range 0 <= x < 1.0: {name} is not."
        )


def _number(kind: str, name: str, member: str, text: str) -> float:
    try:
        number = float(text)
        if kind == "Integer":
            int(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        words = "an integer" if kind == "Integer" else "a number"
        raise ValidationError(f"{member} {text!r} of the {kind.lower()} hyperparameter {name} is not {words}.")
    return number


def _check_hyperparameters(definition: Definition) -> None:
    tuned = [each.name for each in definition.ranges]
    if not tuned:
        raise ValidationError("At least one hyperparameter range is needed: ParameterRanges has none.")
    if len(tuned) > MOST_TUNED:
        raise LimitExceeded(
            f"The number of hyperparameters that can be searched is at most {MOST_TUNED}: {len(tuned)} were given."
        )
    if len(tuned) + len(definition.static) > MOST_HYPERPARAMETERS:
        raise LimitExceeded(f"A training job can have at most {MOST_HYPERPARAMETERS} hyperparameters.")
    both = [name for name in tuned if name in definition.static]
    if both:
        raise ValidationError(
            f"The hyperparameters [{', '.join(both)}] are both static and tunable: give each in one of the two places."
        )


def _grid_size(definitions: list[Definition], limits: Mapping[str, Any]) -> int:
    if any(each.kind != "Categorical" for definition in definitions for each in definition.ranges):
        raise ValidationError(
            "Grid search supports only categorical hyperparameter ranges: give IntegerParameterRanges and "
            "ContinuousParameterRanges as CategoricalParameterRanges, or use another strategy."
        )
    size = sum(prod(len(each.values) for each in definition.ranges) for definition in definitions)
    if limits.get("MaxNumberOfTrainingJobs", size) != size:
        raise ValidationError(
            f"MaxNumberOfTrainingJobs must be equal to the number of combinations of the categorical values, {size}, "
            f"when the strategy is Grid: it is {limits['MaxNumberOfTrainingJobs']}. It may be left out."
        )
    return size


def _check_limits(strategy: str, limits: Mapping[str, Any]) -> None:
    jobs, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if jobs is None and limits.get("MaxRuntimeInSeconds") is None:
        raise ValidationError("ResourceLimits needs MaxNumberOfTrainingJobs, MaxRuntimeInSeconds or both.")
    most = MOST_RANDOM_JOBS if strategy == "Random" else MOST_JOBS
    if jobs is not None and jobs > most:
        raise LimitExceeded(
            "The account-level service limit 'Maximum number of training jobs per hyperparameter tuning job' is "
            f"{most} for the strategy {strategy}, with a request of {jobs}."
        )
    if parallel > MOST_PARALLEL:
        raise LimitExceeded(
            "The account-level service limit 'Maximum number of parallel training jobs per hyperparameter tuning job' is "
            f"{MOST_PARALLEL}, with a request of {parallel}."
        )
    if jobs is not None and parallel > jobs:
        raise ValidationError(
            f"MaxParallelTrainingJobs {parallel} must not be larger than MaxNumberOfTrainingJobs {jobs}."
        )


def _check_hyperband(config: Mapping[str, Any], definitions: list[Definition]) -> None:
    if config["TrainingJobEarlyStoppingType"] != "Off":
        raise ValidationError(
            "TrainingJobEarlyStoppingType must be Off when the strategy is Hyperband, which stops training jobs by itself."
        )
    for definition in definitions:
        least, most = resources_of(config, definition)
        if most is None:
            raise ValidationError(
                "MaxResource is required in HyperbandStrategyConfig, unless StaticHyperParameters has one of "
                f"{', '.join(RESOURCES)} to infer it from."
            )
        if least > most:
            raise ValidationError(f"MinResource {least} must not be larger than MaxResource {most}.")


def resources_of(config: Mapping[str, Any], definition: Definition) -> tuple[int, int | None]:
    """MinResource and MaxResource, the latter from the number of epochs where it is not given."""
    stated = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = stated.get("MaxResource")
    epochs = [definition.static[name].strip('"') for name in RESOURCES if name in definition.static]
    if most is None and epochs and epochs[0].isdigit():
        most = int(epochs[0])
    return stated.get("MinResource", 1), most
