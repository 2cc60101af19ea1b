"""What is scaled: a variant of an endpoint, its provisioned concurrency or an inference component, as any client sees and changes it."""

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


class Metric(NamedTuple):
    """What a policy can follow by the name `predefined`: what each gets of that there is more and less of."""

    predefined: str
    name: str
    statistic: str = "Sum"
    period: int = 60  # seconds that each data point spans where it asks for more


class Kind(NamedTuple):
    """What is special about scaling one kind of thing: `counted` is what there is more and less of, `least` the least MinCapacity."""

    words: str
    form: str
    dimension: str
    counted: str
    metrics: tuple[Metric, ...]
    least: int = 0


_VARIANT = Kind(
    "endpoint variant",
    "endpoint/ENDPOINT/variant/VARIANT",
    "sagemaker:variant:DesiredInstanceCount",
    "instance count",
    (
        Metric("SageMakerVariantInvocationsPerInstance", "InvocationsPerInstance"),
        Metric("SageMakerVariantConcurrentRequestsPerModelHighResolution", "ConcurrentRequestsPerModel", "Average", 10),
    ),
)
_PROVISIONED = Kind(
    "serverless endpoint variant with ProvisionedConcurrency",
    _VARIANT.form,
    "sagemaker:variant:DesiredProvisionedConcurrency",
    "provisioned concurrency",
    (
        Metric(
            "SageMakerVariantProvisionedConcurrencyUtilization",
            "ServerlessProvisionedConcurrencyUtilization",
            "Average",
        ),
    ),
    1,
)
_COMPONENT = Kind(
    "inference component",
    "inference-component/NAME",
    "sagemaker:inference-component:DesiredCopyCount",
    "copy count",
    (
        Metric("SageMakerInferenceComponentInvocationsPerCopy", "InvocationsPerCopy"),
        Metric(
            "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
            "ConcurrentRequestsPerCopy",
            "Average",
            10,
        ),
    ),
)
KINDS = {kind.dimension: kind for kind in (_VARIANT, _PROVISIONED, _COMPONENT)}
Place = Mapping[str, Any]  # a request or a record's spec that names a ResourceId and a ScalableDimension


class Capacity(NamedTuple):
    """How many instances or copies there are and shall be, or how many requests at once find one awake; `settled` when nothing about them is under way.

    `changed`: when something about them was asked for. `wakes`: where there is none, one comes when it is asked for.
    """

    current: int
    desired: int
    settled: bool
    changed: float
    wakes: bool


def kind_of(place: Place) -> Kind:
    return KINDS[place["ScalableDimension"]]


def dimensions_of(place: Place) -> tuple[tuple[str, str], ...]:
    """By which CloudWatch knows it, sorted. Raises ValidationError when that is not what a ResourceId names."""
    kind, parts = kind_of(place), place["ResourceId"].split("/")
    if all(parts):
        if kind is _COMPONENT and len(parts) == 2 and parts[0] == "inference-component":
            return (("InferenceComponentName", parts[1]),)
        if kind is not _COMPONENT and len(parts) == 4 and (parts[0], parts[2]) == ("endpoint", "variant"):
            return (("EndpointName", parts[1]), ("VariantName", parts[3]))
    raise ValidationError(
        "Unsupported service namespace, resource type or scalable dimension: "
        f"for {kind.dimension} a ResourceId is {kind.form}."
    )


def check(params: Mapping[str, Any]) -> None:
    """Raises ValidationError for what cannot be scaled here."""
    if params["ServiceNamespace"] != NAMESPACE:
        raise ValidationError(f"ServiceNamespace {params['ServiceNamespace']} is not supported here: sagemaker is.")
    dimension = params["ScalableDimension"]
    if dimension not in KINDS:
        raise ValidationError(f"ScalableDimension {dimension} is not supported here: {', '.join(KINDS)} are.")
    dimensions_of(params)


async def look(world: World, scope: Scope, place: Place) -> Capacity | None:
    """None when there is no such variant or component, or it has nothing of the kind to count."""
    kind, names = kind_of(place), [name for _, name in dimensions_of(place)]
    noun = "InferenceComponent" if kind is _COMPONENT else "Endpoint"
    record = await world.table.get(noun, scope.account, scope.region, names[0].lower())
    if record is None:
        return None
    shown = world.kinds[noun].view(record)
    settled = shown[f"{noun}Status"] == "InService"
    if noun == "InferenceComponent":
        counts = shown["RuntimeConfig"]
        return Capacity(counts["CurrentCopyCount"], counts["DesiredCopyCount"], settled, record.modified, wakes=False)
    for variant in shown.get("ProductionVariants", ()):
        if variant["VariantName"] != names[1]:
            continue
        if kind is _PROVISIONED:
            now, then = (variant.get(f"{when}ServerlessConfig") or {} for when in ("Current", "Desired"))
            counts = now.get("ProvisionedConcurrency", 0), then.get("ProvisionedConcurrency", 0)
            return Capacity(*counts, settled, record.modified, wakes=False) if counts[1] else None
        if "DesiredInstanceCount" in variant:
            counts = variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]
            return Capacity(*counts, settled, record.modified, wakes=not shown.get("AsyncInferenceConfig"))
    return None


async def resize(world: World, scope: Scope, place: Place, count: int) -> None:
    """As its operation does it. Raises its errors, such as that the endpoint is being updated."""
    kind, names = kind_of(place), [name for _, name in dimensions_of(place)]
    params: dict[str, Any]
    if kind is _COMPONENT:
        operation = "UpdateInferenceComponentRuntimeConfig"
        params = {"InferenceComponentName": names[0], "DesiredRuntimeConfig": {"CopyCount": count}}
    else:
        operation = "UpdateEndpointWeightsAndCapacities"
        provisioned = {"ServerlessUpdateConfig": {"ProvisionedConcurrency": count}}
        wish = provisioned if kind is _PROVISIONED else {"DesiredInstanceCount": count}
        params = {"EndpointName": names[0], "DesiredWeightsAndCapacities": [{"VariantName": names[1], **wish}]}
    caller = Caller(scope.account, f"arn:aws:sts::{scope.account}:assumed-role/{_ROLE}/AutoScaling", "")
    await world.parts["resize"][operation](Call("sagemaker", operation, params, caller, scope.region))


async def last_asked(world: World, target: Record, since: float) -> float:
    """When somebody asked for it, as CloudWatch knows: seconds since the epoch, `since` if nobody has since."""
    dimensions = dimensions_of(target.spec)
    key = MetricKey(target.account, target.region, METRICS, "Invocations", dimensions)
    seen = await world.parts["metric_data"].observations(key, since, world.clock.now())
    return max((one.timestamp for one in seen if one.total), default=since)
