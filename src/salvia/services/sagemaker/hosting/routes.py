"""The route of an endpoint, made from its record: which healthy instances get which part of the requests."""

from collections.abc import Iterator, Mapping
from typing import Any

from salvia.ports.table import Record
from salvia.resources.fleet import Fleet, Instance, Key, Route, Variant
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting import rolling
from salvia.services.sagemaker.hosting.instances import seats_of


def key_of(record: Record) -> Key:
    """Of the route of an endpoint, or of an inference component: its key follows its noun, which no name of an endpoint has."""
    return record.account, record.region, record.key if record.kind == "Endpoint" else f"{record.kind}/{record.key}"


def route_of(endpoint: Record, fleet: Fleet) -> Route | None:
    """None while nothing of it serves: before the first deployment, and from the moment that its end is wished for."""
    plan = endpoint.status.get("_plan")
    if plan is None or endpoint.wanted == "deleted":
        return None
    if plans.hosts_components(plan):  # each has a route of its own
        return Route(key_of(endpoint), endpoint.arn, endpoint.name, variants=[])
    wish, share = endpoint.spec["_wish"], endpoint.status.get("_shift", {}).get("share", 0.0)
    variants = list(_variants(endpoint, plan, fleet, 1 - share)) if share < 1 else []
    if share or rolling.is_rolling(endpoint):
        variants += _variants(endpoint, wish, fleet, share)
    config = plan["config"] if share < 1 else wish["config"]
    capture = config.get("DataCaptureConfig") or {}
    component = endpoint.kind == "InferenceComponent"
    return Route(
        key=key_of(endpoint),
        arn=endpoint.arn,
        name=endpoint.spec["EndpointName"] if component else endpoint.name,
        component=endpoint.name if component else "",
        variants=[variant for variant, shadow in variants if not shadow],
        shadows=[variant for variant, shadow in variants if shadow],
        facts={
            "capture": capture if capture.get("EnableCapture") else None,
            "async": config.get("AsyncInferenceConfig"),
            "copies": sum(plans.count_of(endpoint, plan, variant) for variant in plans.variants_of(plan))
            if component
            else 0,
        },
    )


def _variants(endpoint: Record, plan: Mapping[str, Any], fleet: Fleet, share: float) -> Iterator[tuple[Variant, bool]]:
    """`share` is each variant's part of its traffic, unless they roll."""
    instances: dict[str, list[Any]] = {}
    models: dict[str, dict[str, Instance | str]] = {}
    for seat in seats_of(endpoint, plan):
        if seat.target:
            if "failed" in seat.note or seat.note["healthy"]:
                found = seat.note.get("failed") or fleet.instance(seat.runs)
                models.setdefault(seat.variant.name, {})[seat.target] = found
        elif seat.note["healthy"] and int(seat.number) < rolling.wanted_of(endpoint, plan, seat.variant):
            instances.setdefault(seat.variant.name, []).append(fleet.instance(seat.runs))
    for variant in plans.variants_of(plan):
        part = rolling.traffic_of(endpoint, plan, variant) if rolling.is_rolling(endpoint) else share
        if not part:
            continue
        yield (
            Variant(
                name=variant.name,
                weight=plans.weight_of(endpoint, plan, variant) * part,
                instances=instances.get(variant.name, []),
                labels=variant.labels,
                role=plans.role_of(variant),
                direct=variant.direct,
                many_models=variant.many_models,
                models=models.get(variant.name, {}),
                serverless=plans.serverless_of(endpoint, plan, variant).get("MaxConcurrency", 0),
                provisioned=plans.provisioned_of(endpoint, plan, variant),
                asleep=plans.is_asleep(endpoint, plan, variant),
                by_chance=(variant.config.get("RoutingConfig") or {}).get("RoutingStrategy") == "RANDOM",
            ),
            variant.shadow,
        )
