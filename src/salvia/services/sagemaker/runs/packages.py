"""Model packages as models use them: the containers that one stands for.

Source: the pages "ContainerDefinition" and "InferenceSpecification" of the SageMaker API reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.named import named

_TAKEN = ("ContainerHostname", "Image", "ModelDataUrl", "ModelDataSource", "Environment", "AdditionalModelDataSources")
_INSTEAD = ("Image", "ModelDataUrl", "ModelDataSource")


async def expanded(world: World, container: Mapping[str, Any], scope: Scope) -> list[dict[str, Any]]:
    """The containers of the model package that a container of CreateModel names.

    What the request says of the environment and the host's name comes first. Raises ValidationError.
    """
    record = await named(world, "ModelPackage", container["ModelPackageName"], scope)
    for member in _INSTEAD:
        if container.get(member):
            raise ValidationError(f"{member} cannot be given together with ModelPackageName, which says it.")
    if record.state != "Completed":
        raise ValidationError(f"Model package {record.arn} cannot be used: its status is {record.state}.")
    approval = record.spec.get("ModelApprovalStatus", "Approved")
    if approval != "Approved":
        raise ValidationError(
            f"Model package {record.arn} cannot be deployed: its ModelApprovalStatus is {approval}, and must be Approved."
        )
    found = _specification(record, container.get("InferenceSpecificationName"))["Containers"]
    if len(found) > 1 and (container.get("Environment") or container.get("ContainerHostname")):
        raise ValidationError(
            f"Environment and ContainerHostname cannot be given for model package {record.arn}: it has {len(found)} containers."
        )
    return [_container(each, container, record) for each in found]


def containers_of(specification: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of an InferenceSpecification, as CreateModel takes them."""
    return [{member: each[member] for member in _TAKEN if member in each} for each in specification["Containers"]]


def _container(each: Mapping[str, Any], asked: Mapping[str, Any], record: Record) -> dict[str, Any]:
    taken = {member: each[member] for member in _TAKEN if member in each}
    variables = taken.get("Environment", {}) | (asked.get("Environment") or {})
    return taken | dict(asked) | {"Environment": variables, "ModelPackageName": record.arn}


def _specification(record: Record, name: str | None) -> Mapping[str, Any]:
    specifications: Sequence[Mapping[str, Any]] = record.spec.get("AdditionalInferenceSpecifications") or ()
    found = next((each for each in specifications if each["Name"] == name), None) if name else None
    found = found or (None if name else record.spec.get("InferenceSpecification"))
    if found is None:
        missing = f"InferenceSpecification {name}" if name else "InferenceSpecification"
        raise ValidationError(f"Model package {record.arn} has no {missing}: it cannot be deployed.")
    return found
