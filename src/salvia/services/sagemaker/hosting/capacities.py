"""UpdateEndpointWeightsAndCapacities: how much of the traffic a variant gets, how many instances it has, how much at once.

A variant can have none. What is asked of an asynchronous endpoint waits; any other variant is woken by the next request.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from salvia.base.call import Call, Caller, Reply
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.fleet import Key
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import config, placement
from salvia.services.sagemaker.hosting import plan as plans

if TYPE_CHECKING:
    from salvia.services.sagemaker.hosting.endpoint import Endpoint

_ROLE = "AWSServiceRoleForAmazonSageMakerEndpoints"


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
            _check(one, variants[name])
            kept = asked.setdefault(name, {})
            if "DesiredWeight" in one:
                kept["weight"] = one["DesiredWeight"]
            if "DesiredInstanceCount" in one:
                kept["count"] = one["DesiredInstanceCount"]
            if one.get("ServerlessUpdateConfig"):
                kept["serverless"] = kept.get("serverless", {}) | one["ServerlessUpdateConfig"]
                config.check_serverless(name, plans.serverless_of(record, live, variants[name]))
        production = [variant for variant in variants.values() if not variant.shadow]
        if not any(plans.weight_of(record, live, variant) for variant in production):
            raise ValidationError("DesiredWeight must be greater than 0 for at least one of the variants.")
        record.spec["_changes"] = record.spec.get("_changes", 0) + 1

    return await kind.wish(call, changed)


async def wake(world: World, endpoint: Key, variant: str) -> None:
    """A request has come for a variant without instances: it gets one. Raises AwsError when it cannot, or has some."""
    kind = cast("Endpoint", world.kinds["Endpoint"])
    account, region, key = endpoint

    async def woken(record: Record) -> None:
        live = record.status["_plan"]
        asleep = [one for one in plans.variants_of(live) if one.name == variant and plans.is_asleep(record, live, one)]
        if not asleep:
            raise ValidationError(f"Variant {variant} is awake.")  # somebody else was faster
        kind.check_idle(record)
        asked = record.spec.setdefault("_capacities", {}).setdefault(str(live["generation"]), {})
        asked.setdefault(variant, {})["count"] = 1
        record.spec["_changes"] = record.spec.get("_changes", 0) + 1

    caller = Caller(account, f"arn:aws:sts::{account}:assumed-role/{_ROLE}/Wake", "")
    await kind.wish(Call("sagemaker", "UpdateEndpoint", {"EndpointName": key}, caller, region), woken)


def _check(one: Mapping[str, Any], variant: plans.Variant) -> None:
    if one.get("ServerlessUpdateConfig") and not variant.serverless:
        raise ValidationError(f"Variant {variant.name} is not serverless: it has no ServerlessUpdateConfig.")
    if "DesiredInstanceCount" not in one:
        return
    if variant.serverless:
        raise ValidationError(f"Variant {variant.name} is serverless: it has no DesiredInstanceCount.")
    if placement.bounds_of(variant.config):
        raise ValidationError(
            f"Variant {variant.name} has ManagedInstanceScaling: its DesiredInstanceCount follows its inference components."
        )
    if not one["DesiredInstanceCount"] and variant.many_models:
        raise ValidationError(
            f"Variant {variant.name}: DesiredInstanceCount must be 1 or more: its models come and go."
        )
