"""What CreateTransformJob accepts: defaults, the rules between members, and what becomes of every member.

The model's own constraints (required members, enums, patterns, ranges) are checked before a request gets here.
"""

from collections.abc import Mapping
from typing import Any

from salvia.base.errors import ValidationError
from salvia.services.sagemaker.transform.joining import kind_of
from salvia.services.sagemaker.transform.jsonpath import JsonPath

MOST_MEGABYTES = 100

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "TransformJobName": "behaves",
    "ModelName": "behaves",
    "MaxConcurrentTransforms": "behaves",
    "ModelClientConfig": "behaves",
    "MaxPayloadInMB": "behaves",
    "BatchStrategy": "behaves",
    "Environment": "behaves",
    "TransformInput": "behaves",
    "TransformOutput": "behaves",
    "DataCaptureConfig": "behaves",
    "TransformResources": "behaves",
    "DataProcessing": "behaves",
    "Tags": "behaves",
    "ExperimentConfig": "recorded",
}


def admitted(request: dict[str, Any]) -> dict[str, Any]:
    """The spec of a transform job, without its model. Raises ValidationError."""
    if (request.get("DataCaptureConfig") or {}).get("GenerateInferenceId"):
        raise ValidationError("DataCaptureConfig.GenerateInferenceId is not supported yet: leave it out or false.")
    source = {"CompressionType": "None", "SplitType": "None"} | request["TransformInput"]
    kind = source["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in {"S3Prefix", "ManifestFile"}:
        raise ValidationError(f"S3DataType {kind} is not supported for transform jobs: use S3Prefix or ManifestFile.")
    _check_sizes(request.get("MaxConcurrentTransforms", 0), request.get("MaxPayloadInMB"))
    spec = request | {
        "TransformInput": source,
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": ""} | request["TransformOutput"],
    }
    if request.get("DataProcessing"):
        spec["DataProcessing"] = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"} | request[
            "DataProcessing"
        ]
        _check_processing(spec)
    return spec


def _check_sizes(concurrent: int, megabytes: int | None) -> None:
    if megabytes is not None and megabytes > MOST_MEGABYTES:
        raise ValidationError(f"MaxPayloadInMB {megabytes} cannot be greater than {MOST_MEGABYTES}.")
    if concurrent * (megabytes or 0) > MOST_MEGABYTES:
        raise ValidationError(
            f"MaxConcurrentTransforms * MaxPayloadInMB ({concurrent} * {megabytes}) cannot exceed {MOST_MEGABYTES} MB."
        )


def _check_processing(spec: Mapping[str, Any]) -> None:
    asked, source, target = spec["DataProcessing"], spec["TransformInput"], spec["TransformOutput"]
    for member in ("InputFilter", "OutputFilter"):
        try:
            JsonPath.parse(asked[member])
        except ValueError as error:
            raise ValidationError(f"{member}: {asked[member]} is not a valid JSONPath expression: {error}.") from error
    if asked["InputFilter"] == asked["OutputFilter"] == "$" and asked["JoinSource"] == "None":
        return
    kind = kind_of(source.get("ContentType", ""))
    if not kind:
        raise ValidationError(
            "DataProcessing needs a ContentType of text/csv, application/json or application/jsonlines, "
            f"not {source.get('ContentType') or 'none'}."
        )
    if asked["JoinSource"] == "Input" and kind_of(target.get("Accept") or source["ContentType"]) != kind:
        raise ValidationError(
            f"JoinSource Input needs an Accept of the same kind as the ContentType {source['ContentType']}, not {target['Accept']}."
        )
    if source["SplitType"] not in {"None", "Line"}:
        raise ValidationError(f"DataProcessing needs SplitType Line or None, not {source['SplitType']}.")
