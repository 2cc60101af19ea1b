"""UpdateEndpointWeightsAndCapacities: how much of the traffic a variant gets, and how many instances it has."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from salvia.base.call import Call, Reply
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import plan as plans

if TYPE_CHECKING:
    from salvia.services.sagemaker.hosting.endpoint import Endpoint


async def update_endpoint_weights_and_capacities(world: World, call: Call) -> Mapping[str, Any] | Reply:
    kind = cast("Endpoint", world.kinds["Endpoint"])

    async def changed(record: Record) -> None:
        kind.check_idle(record)
        live = record.status["_plan"]
        variants = {variant.name: variant for variant in plans.variants_of(live)}
        asked = record.spec.setdefault("_capacities", {}).setdefault(str(live["generation"]), {})
        for one in call.params["DesiredWeightsAndCapacities"]:
            name = one["VariantName"]
            if name not in variants:
                raise ValidationError(f'The variant {name} is not found in the endpoint "{record.arn}".')
            _check(one, variants[name], least=0 if live["config"].get("AsyncInferenceConfig") else 1)
            kept = asked.setdefault(name, {})
            if "DesiredWeight" in one:
                kept["weight"] = one["DesiredWeight"]
            if "DesiredInstanceCount" in one:
                kept["count"] = one["DesiredInstanceCount"]
        production = [variant for variant in variants.values() if not variant.shadow]
        if not any(plans.weight_of(record, live, variant) for variant in production):
            raise ValidationError("DesiredWeight must be greater than 0 for at least one of the variants.")
        record.spec["_changes"] = record.spec.get("_changes", 0) + 1

    return await kind.wish(call, changed)


def _check(one: Mapping[str, Any], variant: plans.Variant, least: int) -> None:
    """`least`: requests to an asynchronous endpoint wait for as long as it has no instance."""
    if one.get("ServerlessUpdateConfig"):
        raise ValidationError(
            "ServerlessUpdateConfig is not supported: update the endpoint with another configuration."
        )
    if "DesiredInstanceCount" not in one:
        return
    if variant.serverless:
        raise ValidationError(f"Variant {variant.name} is serverless: it has no DesiredInstanceCount.")
    if one["DesiredInstanceCount"] < least:
        raise ValidationError(f"Variant {variant.name}: DesiredInstanceCount must be {least} or more.")
