"""Algorithms: a training image with the rules of what it takes, and how its models are served.

Source: the page "CreateAlgorithm" of the SageMaker API reference.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.images import UnknownImageError
from salvia.ports.table import Record
from salvia.services.sagemaker.registry.validation import Finding, Validated
from salvia.services.sagemaker.runs import algorithms
from salvia.services.sagemaker.runs.packages import containers_of

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "AlgorithmName": "behaves",
    "AlgorithmDescription": "behaves",
    "TrainingSpecification": "behaves",
    "InferenceSpecification": "behaves",
    "ValidationSpecification": "behaves",
    "CertifyForMarketplace": "recorded",  # there is no marketplace here
    "Tags": "behaves",
}


class Algorithm(Validated):
    noun = "Algorithm"
    details_member = "AlgorithmStatusDetails"
    absent = ("ValidationException", "Algorithm {arn} does not exist.")
    taken = "Algorithm already exists: {arn}"
    taken_error = ValidationError

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        training = request["TrainingSpecification"]
        try:
            self.world.images.resolve(training["TrainingImage"])
        except UnknownImageError as error:
            raise ValidationError(f"Requested image {training['TrainingImage']} not found: {error}") from error
        _check_names("TrainingChannels", training["TrainingChannels"])
        _check_names("SupportedHyperParameters", training.get("SupportedHyperParameters", ()))
        for rule in training.get("SupportedHyperParameters", ()):
            _check_hyperparameter(rule)
        _check_metrics(training)
        if training.get("AdditionalS3DataSource"):
            raise ValidationError("TrainingSpecification.AdditionalS3DataSource is not supported: use a channel.")
        self._check_profiles(request)
        return {"CertifyForMarketplace": False} | request

    async def validate(self, record: Record, role: str, profile: Mapping[str, Any]) -> Finding:
        training = record.spec["TrainingSpecification"]
        definition = profile["TrainingJobDefinition"]
        request = {member: value for member, value in definition.items() if member != "TrainingInputMode"}
        request["HyperParameters"] = algorithms.with_defaults(training, definition.get("HyperParameters", {}))
        request["AlgorithmSpecification"] = {
            "TrainingImage": training["TrainingImage"],
            "TrainingInputMode": definition["TrainingInputMode"],
            "MetricDefinitions": training.get("MetricDefinitions", []),
        }
        found, job = await self.trained(record, request | {"RoleArn": role})
        if found.status != "Completed" or not profile.get("TransformJobDefinition"):
            return found
        containers = containers_of(record.spec["InferenceSpecification"])
        data = self.world.kinds["TrainingJob"].view(job)["ModelArtifacts"]["S3ModelArtifacts"]
        containers[0] |= {"ModelDataUrl": data}
        return await self.transformed(record, role, containers, profile["TransformJobDefinition"])

    def _check_profiles(self, request: Mapping[str, Any]) -> None:
        """What would be wrong with the training job is said now."""
        for profile in (request.get("ValidationSpecification") or {}).get("ValidationProfiles", ()):
            definition = profile["TrainingJobDefinition"]
            spec = definition | {"AlgorithmSpecification": {"TrainingInputMode": definition["TrainingInputMode"]}}
            spec["ResourceConfig"] = {"InstanceCount": 1} | definition["ResourceConfig"]
            algorithms.applied(request["AlgorithmName"], request["TrainingSpecification"], spec)
            if profile.get("TransformJobDefinition") and not request.get("InferenceSpecification"):
                raise ValidationError("TransformJobDefinition needs an InferenceSpecification: it has no image to run.")


def _check_names(member: str, listed: Any) -> None:
    twice = [name for name, count in Counter(each["Name"] for each in listed).items() if count > 1]
    if twice:
        raise ValidationError(f"Names must be unique in {member}: {', '.join(twice)} is there more than once.")


def _check_hyperparameter(rule: Mapping[str, Any]) -> None:
    name, kind = rule["Name"], rule["Type"]
    given = [member for member in rule.get("Range") or {} if member != f"{kind}ParameterRangeSpecification"]
    if given:
        raise ValidationError(f"Hyperparameter {name} is {kind}: its Range cannot be an {given[0]}.")
    if kind == "FreeText" and rule.get("IsTunable"):
        raise ValidationError(f"Hyperparameter {name} is FreeText: it cannot be tunable.")
    limits = (rule.get("Range") or {}).get(f"{kind}ParameterRangeSpecification")
    if kind in {"Integer", "Continuous"} and limits:
        for member in ("MinValue", "MaxValue"):
            if expected := algorithms.wrong_value({"Type": kind}, limits[member]):
                raise ValidationError(f"{member} {limits[member]!r} of hyperparameter {name} must be {expected}.")
        if float(limits["MinValue"]) > float(limits["MaxValue"]):
            raise ValidationError(f"MinValue of hyperparameter {name} must not be larger than its MaxValue.")
    if "DefaultValue" in rule:
        if rule.get("IsRequired"):
            raise ValidationError(f"Hyperparameter {name} has a DefaultValue: it cannot be required.")
        if expected := algorithms.wrong_value(rule, rule["DefaultValue"]):
            raise ValidationError(f"DefaultValue {rule['DefaultValue']!r} of hyperparameter {name} must be {expected}.")


def _check_metrics(training: Mapping[str, Any]) -> None:
    known = {each["Name"] for each in training.get("MetricDefinitions", ())}
    for each in training.get("SupportedTuningJobObjectiveMetrics", ()):
        if known and each["MetricName"] not in known:
            raise ValidationError(
                f"SupportedTuningJobObjectiveMetrics: {each['MetricName']} is not among the MetricDefinitions."
            )
