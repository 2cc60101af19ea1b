"""Scaling policies: what alarms say of a variant becomes another number of instances.

A policy observes its alarms at every turn: those that target tracking makes, or those whose actions name a step policy.
It decides only when the endpoint has settled, no other activity is under way, and its cooldown is over.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.kind import Resource, put
from salvia.resources.listing import every
from salvia.resources.world import World
from salvia.services.application_autoscaling import scaled, tracking
from salvia.services.application_autoscaling import target as targets
from salvia.services.application_autoscaling.activity import begin, latest
from salvia.services.application_autoscaling.errors import absent
from salvia.services.application_autoscaling.named import key_of, page, target_key, unique
from salvia.services.application_autoscaling.sums import check_steps, stepped, tracked

COOLDOWN = 300  # seconds, where the policy does not say
_TRACKING, _STEPS = "TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration"
_CONFIGURATIONS = {"TargetTrackingScaling": _TRACKING, "StepScaling": _STEPS}
_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_AGAIN = 1.0


class Wanted(NamedTuple):
    """Another capacity, and the alarm that says so. `points`: (start, value) of what the alarm rests on, newest first."""

    instances: int
    alarm: Record
    points: list[tuple[float, float]]


class ScalingPolicy(Resource):
    noun = "ScalingPolicy"

    def view(self, record: Record) -> dict[str, Any]:
        return record.spec | {"PolicyARN": record.arn, "CreationTime": record.created}

    async def dispose(self, record: Record) -> None:
        if record.spec["PolicyType"] == "TargetTrackingScaling":
            await tracking.remove(self.world, record)

    async def reconcile(self, record: Record) -> float | None:
        target = await self.world.table.get(
            targets.ScalableTarget.noun, record.account, record.region, target_key(record.spec)
        )
        if target is None:  # it was deregistered, and somebody was killed in between
            await self.dispose(record)
            await self.world.table.delete(record)
            return None
        turn = self.world.settings.alarm_minute_seconds / 6
        tracks = record.spec["PolicyType"] == "TargetTrackingScaling"
        if tracks:
            await tracking.ensure(self.world, record)
        variant = await scaled.look(self.world, Scope(record.account, record.region), record.spec)
        if variant is None:
            return turn
        if tracks:
            await tracking.say_idle(self.world, record)
        if not variant.settled:
            return min(_AGAIN, turn)
        wanted = await self._wanted(record, target, variant)
        if wanted is None:
            return turn
        count = min(max(wanted.instances, target.spec["MinCapacity"]), target.spec["MaxCapacity"])
        wanted = wanted._replace(instances=count)
        if count == variant.desired or not await self._may(record, target, variant, wanted):
            return turn
        name, state = wanted.alarm.name, wanted.alarm.state
        cause = f"monitor alarm {name} in state {state} triggered policy {record.spec['PolicyName']}"
        await begin(self.world, target, variant.desired, count, cause, record.arn)
        return min(_AGAIN, turn)

    async def _wanted(self, policy: Record, target: Record, variant: scaled.Capacity) -> Wanted | None:
        if policy.spec["PolicyType"] == "TargetTrackingScaling":
            return await self._tracked(policy, target, variant)
        for alarm in await naming(self.world, policy):
            if alarm.spec["ActionsEnabled"] and policy.arn in alarm.spec[_ACTIONS[alarm.state]]:
                points = points_of(alarm)
                values = [value for _, value in points]
                count = stepped(policy.spec[_STEPS], variant.desired, values, alarm.spec["Threshold"])
                return Wanted(count, alarm, points)
        return None

    async def _tracked(self, policy: Record, target: Record, variant: scaled.Capacity) -> Wanted | None:
        """More if one policy says so, fewer if all that track something agree."""
        alarms, goal = await tracking.ensure(self.world, policy), policy.spec[_TRACKING]["TargetValue"]
        high, low = alarms["High"], alarms.get("Low")
        points = points_of(high)
        if calls(high) and points:
            return Wanted(tracked(variant.desired, points[0][1], goal, out=True), high, points)
        if low is None or not calls(low) or not points_of(low):
            return None
        query = Query(self.noun, policy.account, policy.region, owner=target.arn)
        async for other in every(self.world.table, query):
            if other.key != policy.key and other.spec["PolicyType"] == "TargetTrackingScaling":
                its = (await tracking.ensure(self.world, other)).get("Low")
                if its is not None and its.state != "ALARM":
                    return None
        points = points_of(low)
        return Wanted(tracked(variant.desired, max(value for _, value in points), goal, out=False), low, points)

    async def _may(self, policy: Record, target: Record, variant: scaled.Capacity, wanted: Wanted) -> bool:
        """Not suspended, and neither the cooldown nor the data is from before the last change."""
        out, suspended = wanted.instances > variant.desired, target.spec["SuspendedState"]
        if suspended["DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"]:
            return False
        activities = [one for one in await latest(self.world, target) if "before" in one.spec]
        if any(one.state == "InProgress" for one in activities):
            return False
        if not out and wanted.points and wanted.points[0][0] < variant.changed:
            return False  # what has just been woken, or told otherwise, is not idle because it was
        own = [one for one in activities if one.spec["policy"] == policy.arn and "EndTime" in one.status]
        if not own:
            return True
        last, ended = own[0], own[0].status["EndTime"]
        was_out = last.spec["count"] > last.spec["before"]
        if wanted.points and wanted.points[0][0] < ended:
            return False
        cools = out == was_out or not out  # more is wanted at once, however recently there were made fewer
        return not cools or self.world.clock.now() - ended >= cooldown(policy, out=was_out)


def cooldown(policy: Record, *, out: bool) -> float:
    """Seconds after a change in that direction."""
    if policy.spec["PolicyType"] == "StepScaling":
        return float(policy.spec[_STEPS].get("Cooldown", COOLDOWN))
    return float(policy.spec[_TRACKING].get("ScaleOutCooldown" if out else "ScaleInCooldown", COOLDOWN))


def calls(alarm: Record) -> bool:
    return alarm.state == "ALARM" and bool(alarm.spec["ActionsEnabled"])


def points_of(alarm: Record) -> list[tuple[float, float]]:
    return [(start, value) for start, value in alarm.status.get("_points", ())]


async def naming(world: World, policy: Record) -> list[Record]:
    """The alarms that have the policy among their actions, by name."""
    query = Query("Alarm", policy.account, policy.region, sort="key", descending=False)
    alarms = every(world.table, query)
    return [alarm async for alarm in alarms if any(policy.arn in alarm.spec[member] for member in _ACTIONS.values())]


async def put_scaling_policy(world: World, call: Call) -> dict[str, Any]:
    params, scope = call.params, Scope(call.account, call.region)
    scaled.check(params)
    target = await targets.find(world, call)
    kind = world.kinds[ScalingPolicy.noun]
    key = key_of(params, params["PolicyName"])

    former: dict[str, Any] = {}

    def changed(before: dict[str, Any]) -> dict[str, Any]:
        spec = {"PolicyType": "StepScaling"} | before | params
        _check(spec, before)
        former.clear()
        former.update(before)
        return spec

    place = f"resource/sagemaker/{params['ResourceId']}:policyName/{params['PolicyName']}"
    arn = scope.arn("autoscaling", f"scalingPolicy:{unique(scope, 'policy', key)}:{place}")
    record = await put(kind, scope, key, arn, changed, owner=target.arn)
    if record.spec["PolicyType"] == "TargetTrackingScaling":
        if record.spec[_TRACKING].get("DisableScaleIn"):
            await tracking.remove(world, record)
        try:
            await tracking.ensure(world, record)
        except AwsError:  # its metric cannot be computed: it is as if it had not been asked for
            await kind.dispose(record)
            if not former:
                await world.table.delete(record)
            else:
                await put(kind, scope, key, arn, lambda _: former)
            raise
    return {"PolicyARN": record.arn, "Alarms": await _alarms(world, record)}


def _check(spec: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    kind = spec["PolicyType"]
    if kind not in _CONFIGURATIONS:
        raise ValidationError(f"PolicyType {kind} is not supported here: StepScaling and TargetTrackingScaling are.")
    if before and before["PolicyType"] != kind:
        raise ValidationError("The PolicyType of a scaling policy cannot be changed.")
    if not spec.get(_CONFIGURATIONS[kind]):
        raise ValidationError(f"A policy of type {kind} needs a {_CONFIGURATIONS[kind]}.")
    if kind == "StepScaling":
        check_steps(spec[_STEPS])
    else:
        tracking.check(spec[_TRACKING], spec)


async def delete_scaling_policy(world: World, call: Call) -> dict[str, Any]:
    scaled.check(call.params)
    name = call.params["PolicyName"]
    record = await world.table.get(ScalingPolicy.noun, call.account, call.region, key_of(call.params, name))
    if record is None:
        raise absent("No scaling policy found", call.params, f", policy name: {name}")
    await world.kinds[ScalingPolicy.noun].dispose(record)
    await world.table.delete(record)
    return {}


async def describe_scaling_policies(world: World, call: Call) -> dict[str, Any]:
    kind = world.kinds[ScalingPolicy.noun]
    records, token = await page(world, call, ScalingPolicy.noun, ("PolicyNames", "PolicyName"))
    return {"ScalingPolicies": [kind.view(one) | {"Alarms": await _alarms(world, one)} for one in records]} | token


async def _alarms(world: World, policy: Record) -> list[dict[str, str]]:
    return [{"AlarmName": alarm.name, "AlarmARN": alarm.arn} for alarm in await naming(world, policy)]
