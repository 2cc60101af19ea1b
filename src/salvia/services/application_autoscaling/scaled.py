"""What is scaled: a variant of an endpoint or an inference component, seen and changed as any client of SageMaker does it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from salvia.base.arn import Scope
from salvia.base.call import Call, Caller
from salvia.base.errors import ValidationError
from salvia.ports.metrics import MetricKey
from salvia.ports.table import Record
from salvia.resources.world import World

NAMESPACE = "sagemaker"
METRICS = "AWS/SageMaker"
_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


class Kind(NamedTuple):
    """What is special about scaling one kind of thing: `counted` is what there is more and less of, `metric` what each gets."""

    words: str
    form: str
    dimension: str
    counted: str
    predefined: str
    metric: str


_VARIANT = Kind(
    "endpoint variant",
    "endpoint/ENDPOINT/variant/VARIANT",
    "sagemaker:variant:DesiredInstanceCount",
    "instance",
    "SageMakerVariantInvocationsPerInstance",
    "InvocationsPerInstance",
)
_COMPONENT = Kind(
    "inference component",
    "inference-component/NAME",
    "sagemaker:inference-component:DesiredCopyCount",
    "copy",
    "SageMakerInferenceComponentInvocationsPerCopy",
    "InvocationsPerCopy",
)
KINDS = (_VARIANT, _COMPONENT)


class Capacity(NamedTuple):
    """How many instances or copies there are and shall be; `settled` when nothing about them is under way.

    `changed`: when something about them was asked for. `wakes`: where there is none, one comes when it is asked for.
    """

    current: int
    desired: int
    settled: bool
    changed: float
    wakes: bool


def kind_of(resource_id: str) -> Kind:
    return _COMPONENT if resource_id.startswith("inference-component/") else _VARIANT


def dimensions_of(resource_id: str) -> tuple[tuple[str, str], ...]:
    """By which CloudWatch knows it, sorted. Raises ValidationError when that is not what a ResourceId names."""
    kind, parts = kind_of(resource_id), resource_id.split("/")
    if all(parts):
        if kind is _COMPONENT and len(parts) == 2:
            return (("InferenceComponentName", parts[1]),)
        if len(parts) == 4 and (parts[0], parts[2]) == ("endpoint", "variant"):
            return (("EndpointName", parts[1]), ("VariantName", parts[3]))
    raise ValidationError(
        "Unsupported service namespace, resource type or scalable dimension: for sagemaker a ResourceId is "
        f"{' or '.join(kind.form for kind in KINDS)}."
    )


def check(params: Mapping[str, Any]) -> None:
    """Raises ValidationError for what cannot be scaled here."""
    if params["ServiceNamespace"] != NAMESPACE:
        raise ValidationError(f"ServiceNamespace {params['ServiceNamespace']} is not supported here: sagemaker is.")
    dimension, known = params["ScalableDimension"], [kind.dimension for kind in KINDS]
    if dimension not in known:
        raise ValidationError(f"ScalableDimension {dimension} is not supported here: {' and '.join(known)} are.")
    dimensions_of(params["ResourceId"])
    kind = kind_of(params["ResourceId"])
    if dimension != kind.dimension:
        raise ValidationError(f"The ScalableDimension of {params['ResourceId']} is {kind.dimension}, not {dimension}.")


async def look(world: World, scope: Scope, resource_id: str) -> Capacity | None:
    """None when there is no such variant or component, or it has no instances to count."""
    names = [name for _, name in dimensions_of(resource_id)]
    noun = "InferenceComponent" if kind_of(resource_id) is _COMPONENT else "Endpoint"
    record = await world.table.get(noun, scope.account, scope.region, names[0].lower())
    if record is None:
        return None
    shown = world.kinds[noun].view(record)
    settled = shown[f"{noun}Status"] == "InService"
    if noun == "InferenceComponent":
        counts = shown["RuntimeConfig"]
        return Capacity(counts["CurrentCopyCount"], counts["DesiredCopyCount"], settled, record.modified, wakes=False)
    for variant in shown.get("ProductionVariants", ()):
        if variant["VariantName"] == names[1] and "DesiredInstanceCount" in variant:
            counts = variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]
            return Capacity(*counts, settled, record.modified, wakes=not shown.get("AsyncInferenceConfig"))
    return None


async def resize(world: World, scope: Scope, resource_id: str, count: int) -> None:
    """As its operation does it. Raises its errors, such as that the endpoint is being updated."""
    names = [name for _, name in dimensions_of(resource_id)]
    params: dict[str, Any]
    if kind_of(resource_id) is _COMPONENT:
        operation = "UpdateInferenceComponentRuntimeConfig"
        params = {"InferenceComponentName": names[0], "DesiredRuntimeConfig": {"CopyCount": count}}
    else:
        operation = "UpdateEndpointWeightsAndCapacities"
        wish = [{"VariantName": names[1], "DesiredInstanceCount": count}]
        params = {"EndpointName": names[0], "DesiredWeightsAndCapacities": wish}
    caller = Caller(scope.account, f"arn:aws:sts::{scope.account}:assumed-role/{_ROLE}/AutoScaling", "")
    await world.parts["resize"][operation](Call("sagemaker", operation, params, caller, scope.region))


async def last_asked(world: World, target: Record, since: float) -> float:
    """When somebody asked for it, as CloudWatch knows: seconds since the epoch, `since` if nobody has since."""
    dimensions = dimensions_of(target.spec["ResourceId"])
    key = MetricKey(target.account, target.region, METRICS, "Invocations", dimensions)
    seen = await world.parts["metric_data"].observations(key, since, world.clock.now())
    return max((one.timestamp for one in seen if one.total), default=since)
