"""Scalable targets: between how many instances a variant may have, or copies an inference component."""

from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, LimitExceeded, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.kind import Resource, put
from salvia.resources.listing import every
from salvia.resources.tags import removed, retagged
from salvia.resources.world import World
from salvia.services.application_autoscaling import scaled
from salvia.services.application_autoscaling.activity import begin
from salvia.services.application_autoscaling.errors import TargetNotFound, absent
from salvia.services.application_autoscaling.named import described, target_key, unique

_AGAIN = 1.0
_RUNNING = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


class ScalableTarget(Resource):
    """Whenever its bounds change, the capacity is brought within them. Where there may be none, who is idle falls asleep."""

    noun = "ScalableTarget"

    def view(self, record: Record) -> dict[str, Any]:
        return record.spec | {"ScalableTargetARN": record.arn, "CreationTime": record.created}

    async def reconcile(self, record: Record) -> float | None:
        spec = record.spec
        variant = await scaled.look(self.world, Scope(record.account, record.region), spec)
        if variant is None:
            return None
        if not variant.settled:
            return _AGAIN
        if variant.desired < spec["MinCapacity"]:
            cause, count = f"minimum capacity was set to {spec['MinCapacity']}", spec["MinCapacity"]
        elif variant.desired > spec["MaxCapacity"]:
            cause, count = f"maximum capacity was set to {spec['MaxCapacity']}", spec["MaxCapacity"]
        else:
            left = await self._awake_for(record, variant)
            if left is None or left > 0:
                return left
            cause, count = f"nobody has asked for {self.world.settings.serverless_idle_seconds:g} seconds", 0
        await begin(self.world, record, variant.desired, count, cause)
        return _AGAIN

    async def _awake_for(self, record: Record, variant: scaled.Capacity) -> float | None:
        """Seconds until a variant that can be woken goes to sleep, if nobody asks; None: it does not."""
        suspended = record.spec["SuspendedState"]["DynamicScalingInSuspended"]
        if record.spec["MinCapacity"] or not variant.wakes or suspended:
            return None
        idle, now = self.world.settings.serverless_idle_seconds, self.world.clock.now()
        if not variant.desired:
            return idle / 10  # until somebody has woken it
        asked = await scaled.last_asked(self.world, record, now - idle)
        return max(asked, variant.changed) + idle - now


async def find(world: World, call: Call) -> Record:
    """The target that a request names. Raises ObjectNotFound."""
    record = await world.table.get(ScalableTarget.noun, call.account, call.region, target_key(call.params))
    if record is None:
        raise absent("No scalable target registered", call.params)
    return record


async def register_scalable_target(world: World, call: Call) -> dict[str, Any]:
    params, scope = call.params, Scope(call.account, call.region)
    scaled.check(params)
    variant = await scaled.look(world, scope, params)
    if variant is None:
        what = scaled.kind_of(params).words
        raise ValidationError(f"SageMaker {what} not found, or without anything to scale: {params['ResourceId']}")

    def registered(before: dict[str, Any]) -> dict[str, Any]:
        spec = before | {name: value for name, value in params.items() if name not in {"Tags", "SuspendedState"}}
        for member in ("MinCapacity", "MaxCapacity"):
            if member not in spec:
                raise ValidationError(f"{member} must be specified when a scalable target is registered.")
        check_bounds(params, spec["MinCapacity"], spec["MaxCapacity"])
        suspended = before.get("SuspendedState", _RUNNING) | params.get("SuspendedState", {})
        role = f"arn:aws:iam::{scope.account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
        named = {"RoleARN": f"{role}AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"}
        return named | spec | {"SuspendedState": suspended}

    key = target_key(params)
    arn = scope.arn("application-autoscaling", f"scalable-target/{unique(scope, 'target', key).replace('-', '')}")
    record = await put(world.kinds[ScalableTarget.noun], scope, key, arn, registered, tags=params.get("Tags", {}))
    return {"ScalableTargetARN": record.arn}


def check_bounds(place: scaled.Place, least: int, most: int) -> None:
    """Raises ValidationError."""
    kind = scaled.kind_of(place)
    if least < kind.least:
        raise ValidationError(f"MinCapacity must be {kind.least} or more.")
    if most < least:
        raise ValidationError("Maximum capacity cannot be less than minimum capacity.")


async def deregister_scalable_target(world: World, call: Call) -> dict[str, Any]:
    """With its policies, their alarms, and its scheduled actions."""
    scaled.check(call.params)
    record = await world.table.get(ScalableTarget.noun, call.account, call.region, target_key(call.params))
    if record is None:
        raise absent("No scalable target found", call.params)
    for noun in ("ScheduledAction", "ScalingPolicy"):
        async for owned in every(world.table, Query(noun, call.account, call.region, owner=record.arn)):
            await world.kinds[noun].dispose(owned)
            await world.table.delete(owned)
    await world.table.delete(record)
    return {}


async def describe_scalable_targets(world: World, call: Call) -> dict[str, Any]:
    return await described(world, call, ScalableTarget.noun, "ScalableTargets", ("ResourceIds", "ResourceId"))


async def list_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": (await _tagged(world, call)).tags}


async def tag_resource(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, lambda tags: tags | call.params["Tags"], _too_many)
    return {}


async def untag_resource(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, removed(call), _too_many)
    return {}


async def _tagged(world: World, call: Call) -> Record:
    arn = call.params["ResourceARN"]
    record = await world.table.find(arn)
    if record is None or (record.kind, record.account) != (ScalableTarget.noun, call.account):
        raise TargetNotFound(f"The scalable target {arn} does not exist.", members={"ResourceName": arn})
    return record


def _too_many(words: str) -> AwsError:
    return LimitExceeded(words, code="TooManyTagsException")
