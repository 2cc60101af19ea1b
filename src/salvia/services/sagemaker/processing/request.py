"""What CreateProcessingJob accepts: defaults, the rules between members, and what becomes of every member.

The model's own constraints (required members, enums, patterns, ranges) are checked before a request gets here.
"""

import posixpath
from collections import Counter
from typing import Any

from salvia.base.errors import ValidationError

LOCAL = "/opt/ml/processing"

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "ProcessingInputs": "behaves",
    "ProcessingOutputConfig": "behaves",
    "ProcessingJobName": "behaves",
    "ProcessingResources": "behaves",
    "StoppingCondition": "behaves",
    "AppSpecification": "behaves",
    "Environment": "behaves",
    "NetworkConfig": "behaves",  # EnableNetworkIsolation; the instances of a job share one machine, so the rest is recorded
    "RoleArn": "behaves",
    "Tags": "behaves",
    "ExperimentConfig": "recorded",
}


def admitted(request: dict[str, Any]) -> dict[str, Any]:
    """The spec of a processing job. Raises ValidationError in AWS's words where AWS has some."""
    inputs = [_input(one) for one in request.get("ProcessingInputs") or ()]
    outputs = [_output(one) for one in (request.get("ProcessingOutputConfig") or {}).get("Outputs") or ()]
    _check_names("InputName", [one["InputName"] for one in inputs])
    _check_names("OutputName", [one["OutputName"] for one in outputs])
    _check_places(inputs)
    cluster = request["ProcessingResources"]["ClusterConfig"]
    _check_cluster(cluster)
    spec = request | {
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1} | cluster},
        "StoppingCondition": request.get("StoppingCondition") or {"MaxRuntimeInSeconds": 86400},
    }
    if "ProcessingInputs" in request:
        spec["ProcessingInputs"] = inputs
    if "ProcessingOutputConfig" in request:
        spec["ProcessingOutputConfig"] = request["ProcessingOutputConfig"] | {"Outputs": outputs}
    return spec


def _input(one: dict[str, Any]) -> dict[str, Any]:
    name = one["InputName"]
    if one.get("DatasetDefinition"):
        raise ValidationError(
            f"ProcessingInputs {name}: DatasetDefinition is not supported: there is no Athena and no Redshift here. "
            "Put the data into S3 and name it in S3Input."
        )
    source = one.get("S3Input")
    if source is None:
        raise ValidationError(
            f"ProcessingInputs {name}: exactly one of S3Input and DatasetDefinition must be specified."
        )
    managed = one.get("AppManaged", False)
    if not managed:
        if source.get("S3InputMode", "File") != "File":
            raise ValidationError(
                f"ProcessingInputs {name}: S3InputMode Pipe is not supported: use File, which here links the data and copies nothing."
            )
        _check_local(f"ProcessingInputs {name}", source.get("LocalPath"))
    whole = {"S3InputMode": "File", "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None"} | source
    return one | {"AppManaged": managed, "S3Input": whole}


def _output(one: dict[str, Any]) -> dict[str, Any]:
    name = one["OutputName"]
    if one.get("FeatureStoreOutput"):
        raise ValidationError(
            f"Outputs {name}: FeatureStoreOutput is not supported: write the records with PutRecord, or use an S3Output."
        )
    if one.get("S3Output") is None:
        raise ValidationError(f"Outputs {name}: an S3Output must be specified.")
    managed = one.get("AppManaged", False)
    if not managed:
        _check_local(f"Outputs {name}", one["S3Output"].get("LocalPath"))
    return one | {"AppManaged": managed}


def _check_local(where: str, path: str | None) -> None:
    if not path:
        raise ValidationError(f"{where}: LocalPath is required when AppManaged is False.")
    if posixpath.normpath(path) != path.rstrip("/") or not f"{path}/".startswith(f"{LOCAL}/") or "\0" in path:
        raise ValidationError(f"{where}: LocalPath {path} must be an absolute path that begins with {LOCAL}/.")


def _check_names(member: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValidationError(
            f"{member} must be unique in a processing job: {', '.join(twice)} is there more than once."
        )


def _check_places(inputs: list[dict[str, Any]]) -> None:
    places = Counter(one["S3Input"]["LocalPath"].rstrip("/") for one in inputs if not one["AppManaged"])
    twice = [path for path, count in places.items() if count > 1]
    if twice:
        raise ValidationError(f"LocalPath must be unique among ProcessingInputs: {twice[0]} is there more than once.")


def _check_cluster(cluster: dict[str, Any]) -> None:
    if cluster.get("InstancePreferences"):
        raise ValidationError(
            "InstancePreferences is not supported: every type runs on this machine. Name one InstanceType."
        )
    if not cluster.get("InstanceType"):
        raise ValidationError("ProcessingResources.ClusterConfig.InstanceType is needed, such as ml.m5.large.")
    for member in ("SelectedInstanceType", "SelectedInstanceCount"):
        if member in cluster:
            raise ValidationError(f"{member} is read-only: it is not accepted in CreateProcessingJob.")
