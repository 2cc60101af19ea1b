"""What Application Auto Scaling answers to requests that break its rules."""

from collections.abc import Mapping
from typing import Any

from salvia.base.errors import AwsError


class ObjectNotFound(AwsError):
    code = "ObjectNotFoundException"


class TargetNotFound(AwsError):
    code = "ResourceNotFoundException"


def absent(what: str, params: Mapping[str, Any], name: str = "") -> ObjectNotFound:
    """`what` is AWS's sentence up to the place it speaks of; `name` what follows, where more than the place is named."""
    place = (
        f"service namespace: {params['ServiceNamespace']}, resource ID: {params['ResourceId']}, "
        f"scalable dimension: {params['ScalableDimension']}"
    )
    return ObjectNotFound(f"{what} for {place}{name}")
