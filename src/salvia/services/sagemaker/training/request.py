"""What CreateTrainingJob accepts: defaults, the rules between members, and what becomes of every member.

The model's own constraints (required members, enums, patterns, ranges) are checked before a request gets here.
"""

import re
from collections import Counter
from typing import Any

from salvia.base.errors import ValidationError

CHECKPOINTS = "/opt/ml/checkpoints"
LONGEST = 28 * 24 * 3600

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "TrainingJobName": "behaves",
    "HyperParameters": "behaves",
    "AlgorithmSpecification": "behaves",
    "RoleArn": "behaves",
    "InputDataConfig": "behaves",
    "OutputDataConfig": "behaves",
    "ResourceConfig": "behaves",
    "StoppingCondition": "behaves",
    "Tags": "behaves",
    "EnableNetworkIsolation": "behaves",  # on one instance; with several it is refused
    "CheckpointConfig": "behaves",
    "Environment": "behaves",
    "RetryStrategy": "behaves",
    "EnableManagedSpotTraining": "behaves",
    "EnableInterContainerTrafficEncryption": "recorded",  # the instances of a job share one machine
    "VpcConfig": "recorded",
    "DebugHookConfig": "recorded",
    "DebugRuleConfigurations": "recorded",
    "TensorBoardOutputConfig": "recorded",
    "ExperimentConfig": "recorded",
    "ProfilerConfig": "recorded",
    "ProfilerRuleConfigurations": "recorded",
    "RemoteDebugConfig": "recorded",
    "InfraCheckConfig": "recorded",
    "SessionChainingConfig": "recorded",
    "MlflowConfig": "recorded",
    "ServerlessJobConfig": "refused",
    "ModelPackageConfig": "refused",
}


def admitted(request: dict[str, Any]) -> dict[str, Any]:
    """The spec of a training job. Raises ValidationError in AWS's words where AWS has some."""
    _check_served(request)
    _check_algorithm(request.get("AlgorithmSpecification"))
    _check_resources(request.get("ResourceConfig"), isolated=request.get("EnableNetworkIsolation", False))
    _check_stopping(request)
    _check_channels(request.get("InputDataConfig", []))
    _check_modes(request.get("InputDataConfig", []), request["AlgorithmSpecification"]["TrainingInputMode"])
    _check_checkpoints(request.get("CheckpointConfig"))
    algorithm = request["AlgorithmSpecification"]
    output = {"KmsKeyId": "", "CompressionType": "GZIP"} | request["OutputDataConfig"]
    defaults: dict[str, Any] = {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
    }
    return (
        defaults
        | request
        | {
            "AlgorithmSpecification": {"MetricDefinitions": [], "EnableSageMakerMetricsTimeSeries": False} | algorithm,
            "OutputDataConfig": output,
            "InputDataConfig": [_channel(channel) for channel in request.get("InputDataConfig", [])] or None,
            "ResourceConfig": {"InstanceCount": 1} | request["ResourceConfig"]
            if not request["ResourceConfig"].get("InstanceGroups")
            else request["ResourceConfig"],
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400} | request.get("StoppingCondition", {}),
        }
    )


def _channel(channel: dict[str, Any]) -> dict[str, Any]:
    source = channel["DataSource"]["S3DataSource"]
    whole = {"S3DataDistributionType": "FullyReplicated"} | source
    return {"CompressionType": "None", "RecordWrapperType": "None"} | channel | {"DataSource": {"S3DataSource": whole}}


def _check_served(request: dict[str, Any]) -> None:
    for member, state in MEMBERS.items():
        if state == "refused" and request.get(member):
            raise ValidationError(f"{member} is not supported: Salvia runs the training image that a request names.")


def _check_algorithm(algorithm: dict[str, Any] | None) -> None:
    if not algorithm or not (algorithm.get("TrainingImage") or algorithm.get("AlgorithmName")):
        raise ValidationError(
            "AlgorithmSpecification is needed: it must specify either a TrainingImage or an AlgorithmName."
        )
    if algorithm.get("TrainingImage") and algorithm.get("AlgorithmName"):
        raise ValidationError(
            "AlgorithmSpecification must specify either a TrainingImage or an AlgorithmName, not both."
        )


def _check_resources(resources: dict[str, Any] | None, *, isolated: bool) -> None:
    if resources is None:
        raise ValidationError("ResourceConfig is needed: an InstanceType and an InstanceCount, or InstanceGroups.")
    groups = resources.get("InstanceGroups")
    if groups and (resources.get("InstanceType") or resources.get("InstanceCount")):
        raise ValidationError("InstanceGroups cannot be used together with InstanceType and InstanceCount.")
    if groups:
        names = Counter(group["InstanceGroupName"] for group in groups)
        if max(names.values()) > 1:
            raise ValidationError("InstanceGroupName must be unique among the InstanceGroups of a training job.")
    elif not resources.get("InstanceType"):
        raise ValidationError("ResourceConfig.InstanceType is needed, such as ml.m5.large.")
    counts = [
        group["InstanceCount"] for group in groups or [resources | {"InstanceCount": resources.get("InstanceCount", 1)}]
    ]
    if min(counts) < 1:
        raise ValidationError("ResourceConfig.InstanceCount must be 1 or more.")
    if (
        isolated and sum(counts) > 1
    ):  # on AWS they reach each other all the same; here they would wait for each other in vain
        raise ValidationError(
            f"EnableNetworkIsolation is not supported with {sum(counts)} instances: they could not reach each other. "
            "Use one instance, or no network isolation."
        )


def _check_stopping(request: dict[str, Any]) -> None:
    stopping = request.get("StoppingCondition", {})
    runtime, wait = stopping.get("MaxRuntimeInSeconds", 86400), stopping.get("MaxWaitTimeInSeconds")
    if runtime > LONGEST:
        raise ValidationError(
            f"MaxRuntimeInSeconds {runtime} exceeds the longest that a training job may run: {LONGEST}."
        )
    if wait is None:
        if request.get("EnableManagedSpotTraining"):
            raise ValidationError("MaxWaitTimeInSeconds is required when EnableManagedSpotTraining is set to true.")
        return
    if not request.get("EnableManagedSpotTraining"):
        raise ValidationError("MaxWaitTimeInSeconds can be set only when EnableManagedSpotTraining is set to true.")
    if wait < runtime:
        raise ValidationError("MaxWaitTimeInSeconds must be equal to or greater than MaxRuntimeInSeconds.")


def _check_channels(channels: list[dict[str, Any]]) -> None:
    names = Counter(channel["ChannelName"] for channel in channels)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValidationError(
            f"Channel names must be unique in InputDataConfig: {', '.join(twice)} is there more than once."
        )
    for channel in channels:
        source = channel["DataSource"].get("S3DataSource")
        if source is None or len(channel["DataSource"]) > 1:
            raise ValidationError(
                f"Channel {channel['ChannelName']}: DataSource must be an S3DataSource, and nothing else."
            )
        if source["S3DataType"] not in {"S3Prefix", "ManifestFile", "AugmentedManifestFile"}:
            raise ValidationError(
                f"Channel {channel['ChannelName']}: S3DataType {source['S3DataType']} is not supported."
            )
        if source["S3DataType"] == "AugmentedManifestFile" and not source.get("AttributeNames"):
            raise ValidationError(f"Channel {channel['ChannelName']}: an AugmentedManifestFile needs AttributeNames.")
        if source.get("HubAccessConfig"):
            raise ValidationError(f"Channel {channel['ChannelName']}: HubAccessConfig is not supported.")


def _check_modes(channels: list[dict[str, Any]], mode: str) -> None:
    for channel in channels:
        name, own = channel["ChannelName"], channel.get("InputMode") or mode
        augmented = channel["DataSource"]["S3DataSource"]["S3DataType"] == "AugmentedManifestFile"
        if own == "FastFile" and augmented:
            raise ValidationError(
                f"Channel {name}: an AugmentedManifestFile is not supported in FastFile mode: use Pipe mode."
            )
        if own == "FastFile" and {channel.get("CompressionType"), channel.get("RecordWrapperType")} - {None, "None"}:
            raise ValidationError(
                f"Channel {name}: FastFile mode shows objects as they are stored: "
                "CompressionType and RecordWrapperType must be None."
            )
        if own != "Pipe" and augmented and channel.get("ShuffleConfig"):
            raise ValidationError(
                f"Channel {name}: the lines of an AugmentedManifestFile can be shuffled in Pipe mode only."
            )
        fifo = re.compile(rf"{re.escape(name)}_\d+")
        hidden = next((other for other in channels if fifo.fullmatch(other["ChannelName"])), None)
        if own == "Pipe" and hidden:
            raise ValidationError(f"Channel {hidden['ChannelName']} has the name of a pipe of channel {name}.")


def _check_checkpoints(config: dict[str, Any] | None) -> None:
    path = (config or {}).get("LocalPath", CHECKPOINTS)
    if not path.startswith("/opt/ml/") or ".." in path:
        raise ValidationError(f"CheckpointConfig.LocalPath {path} must be below /opt/ml/, such as {CHECKPOINTS}.")
