"""What is scaled: a variant of an endpoint, seen and changed as any client of SageMaker sees and changes it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from salvia.base.arn import Scope
from salvia.base.call import Call, Caller
from salvia.base.errors import ValidationError
from salvia.ports.metrics import MetricKey
from salvia.ports.table import Record
from salvia.resources.world import World

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


class Variant(NamedTuple):
    """How many instances there are and shall be; `settled` when nothing about the endpoint is under way.

    `changed`: when something about the endpoint was asked for. `wakes`: without an instance, it gets one when it is asked for.
    """

    current: int
    desired: int
    settled: bool
    changed: float
    wakes: bool


def names_of(resource_id: str) -> tuple[str, str]:
    """The names of endpoint and variant. Raises ValidationError when that is not what it names."""
    parts = resource_id.split("/")
    if len(parts) != 4 or (parts[0], parts[2]) != ("endpoint", "variant") or not (parts[1] and parts[3]):
        raise ValidationError(
            "Unsupported service namespace, resource type or scalable dimension: for sagemaker a ResourceId is "
            "endpoint/ENDPOINT/variant/VARIANT."
        )
    return parts[1], parts[3]


def check(params: Mapping[str, Any]) -> None:
    """Raises ValidationError for what is not a variant's instances."""
    if params["ServiceNamespace"] != NAMESPACE:
        raise ValidationError(f"ServiceNamespace {params['ServiceNamespace']} is not supported here: sagemaker is.")
    if params["ScalableDimension"] != DIMENSION:
        raise ValidationError(f"ScalableDimension {params['ScalableDimension']} is not supported here: {DIMENSION} is.")
    names_of(params["ResourceId"])


async def look(world: World, scope: Scope, resource_id: str) -> Variant | None:
    """None when there is no such variant, or it has no instances to count."""
    endpoint, name = names_of(resource_id)
    record = await world.table.get("Endpoint", scope.account, scope.region, endpoint.lower())
    if record is None:
        return None
    shown = world.kinds["Endpoint"].view(record)
    for variant in shown.get("ProductionVariants", ()):
        if variant["VariantName"] == name and "DesiredInstanceCount" in variant:
            return Variant(
                variant["CurrentInstanceCount"],
                variant["DesiredInstanceCount"],
                shown["EndpointStatus"] == "InService",
                record.modified,
                not shown.get("AsyncInferenceConfig"),
            )
    return None


async def resize(world: World, scope: Scope, resource_id: str, instances: int) -> None:
    """UpdateEndpointWeightsAndCapacities. Raises its errors, such as that the endpoint is being updated."""
    endpoint, name = names_of(resource_id)
    caller = Caller(scope.account, f"arn:aws:sts::{scope.account}:assumed-role/{_ROLE}/AutoScaling", "")
    wish = [{"VariantName": name, "DesiredInstanceCount": instances}]
    params = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": wish}
    await world.parts["update_endpoint_capacities"](
        Call("sagemaker", "UpdateEndpointWeightsAndCapacities", params, caller, scope.region)
    )


async def last_asked(world: World, target: Record, since: float) -> float:
    """When somebody asked for the variant, as CloudWatch knows it: seconds since the epoch, `since` if nobody has since."""
    endpoint, name = names_of(target.spec["ResourceId"])
    dimensions = (("EndpointName", endpoint), ("VariantName", name))
    key = MetricKey(target.account, target.region, "AWS/SageMaker", "Invocations", dimensions)
    seen = await world.parts["metric_data"].observations(key, since, world.clock.now())
    return max((one.timestamp for one in seen if one.total), default=since)
