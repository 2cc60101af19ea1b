"""Scheduled actions: at its time, an action gives its scalable target other bounds, and the target follows them."""

from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.kind import Resource, put
from salvia.resources.world import World
from salvia.services.application_autoscaling import scaled
from salvia.services.application_autoscaling import target as targets
from salvia.services.application_autoscaling.activity import note
from salvia.services.application_autoscaling.errors import absent
from salvia.services.application_autoscaling.named import described, key_of, target_key, unique
from salvia.services.application_autoscaling.schedule import Next, schedule

_BOUNDS = ("MinCapacity", "MaxCapacity")


class ScheduledAction(Resource):
    """What was missed while no server ran is made good once."""

    noun = "ScheduledAction"

    def view(self, record: Record) -> dict[str, Any]:
        shown = {name: value for name, value in record.spec.items() if not name.startswith("_")}
        return shown | {"ScheduledActionARN": record.arn, "CreationTime": record.created}

    async def reconcile(self, record: Record) -> float | None:
        now, when = self.world.clock.now(), _when(record.spec)
        done = max(record.status.get("_done", 0.0), record.spec["_since"])
        due = when(done)
        while due is not None and due <= now and (later := when(due)) is not None and later <= now:
            due = later
        if due is None or due > record.spec.get("EndTime", due):
            return None
        if due > now:
            return due - now
        await self._act(record, due)
        record.status["_done"] = due
        return 0.0

    async def _act(self, record: Record, due: float) -> None:
        key = target_key(record.spec)
        name, bounds = record.spec["ScheduledActionName"], record.spec["ScalableTargetAction"]
        while True:
            target = await self.world.table.get(targets.ScalableTarget.noun, record.account, record.region, key)
            if target is None or target.spec["SuspendedState"]["ScheduledScalingSuspended"]:
                return
            target.spec |= {member: bounds[member] for member in _BOUNDS if member in bounds}
            target.modified = target.due = self.world.clock.now()
            if await self.world.table.save_wish(target):
                break
        words = {"MinCapacity": "min capacity to", "MaxCapacity": "max capacity to"}
        said = " and ".join(f"{words[member]} {bounds[member]}" for member in _BOUNDS if member in bounds)
        await note(self.world, target, f"{name}|{due}", said, f"scheduled action name {name} was triggered")
        self.world.wake()


def _when(spec: dict[str, Any]) -> Next:
    return schedule(spec["Schedule"], spec.get("Timezone", "UTC"), spec.get("StartTime", spec["_since"]))


async def put_scheduled_action(world: World, call: Call) -> dict[str, Any]:
    params, scope, now = call.params, Scope(call.account, call.region), world.clock.now()
    scaled.check(params)
    target = await targets.find(world, call)

    def changed(before: dict[str, Any]) -> dict[str, Any]:
        spec = before | params
        spec["_since"] = max(now, spec.get("StartTime", now)) if "Schedule" in params else before["_since"]
        if "Schedule" not in spec or not spec.get("ScalableTargetAction"):
            raise ValidationError("Schedule and ScalableTargetAction must be specified for a new scheduled action.")
        bounds = {member: target.spec[member] for member in _BOUNDS} | spec["ScalableTargetAction"]
        targets.check_bounds(params, bounds["MinCapacity"], bounds["MaxCapacity"])
        if spec.get("EndTime", spec["_since"]) < spec["_since"]:
            raise ValidationError("EndTime must be later than StartTime and than now.")
        if _when(spec)(spec["_since"] - 1e-3) is None:
            raise ValidationError(f"Schedule {spec['Schedule']} is in the past.")
        return spec

    key = key_of(params, params["ScheduledActionName"])
    place = f"resource/sagemaker/{params['ResourceId']}:scheduledActionName/{params['ScheduledActionName']}"
    arn = scope.arn("autoscaling", f"scheduledAction:{unique(scope, 'scheduled', key)}:{place}")
    await put(world.kinds[ScheduledAction.noun], scope, key, arn, changed, owner=target.arn)
    return {}


async def delete_scheduled_action(world: World, call: Call) -> dict[str, Any]:
    scaled.check(call.params)
    name = call.params["ScheduledActionName"]
    record = await world.table.get(ScheduledAction.noun, call.account, call.region, key_of(call.params, name))
    if record is None:
        raise absent("No scheduled action found", call.params, f", scheduled action name: {name}")
    await world.table.delete(record)
    return {}


async def describe_scheduled_actions(world: World, call: Call) -> dict[str, Any]:
    names = ("ScheduledActionNames", "ScheduledActionName")
    return await described(world, call, ScheduledAction.noun, "ScheduledActions", names)
