"""Scaling activities: each is one change of a capacity, carried through by the control loop and kept for six weeks."""

from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.kind import Resource, fresh
from salvia.resources.world import World
from salvia.services.application_autoscaling import scaled
from salvia.services.application_autoscaling.named import described, unique

_KEPT = 42 * 86_400.0
_PATIENCE = 1800.0  # seconds that an endpoint may be busy with something else
_AGAIN = 0.5


class ScalingActivity(Resource):
    """`spec["count"]` is what is set. It is InProgress until there are so many instances or copies."""

    noun = "ScalingActivity"

    def view(self, record: Record) -> dict[str, Any]:
        shown = {name: value for name, value in (record.spec | record.status).items() if name[:1].isupper()}
        return shown | {"StatusCode": record.state, "StartTime": record.created}

    async def reconcile(self, record: Record) -> float | None:
        now, scope = self.world.clock.now(), Scope(record.account, record.region)
        if record.state != "InProgress":
            if now >= record.created + _KEPT:
                await self.world.table.delete(record)
                return None
            return record.created + _KEPT - now
        count = record.spec["count"]
        failed = f"Failed to set desired {scaled.kind_of(record.spec).counted} to {count}. Reason:"
        variant = await scaled.look(self.world, scope, record.spec)
        if variant is None:
            return self._end(record, "Failed", f"{failed} it is not there.")
        if "_sent" not in record.status:
            try:
                await scaled.resize(self.world, scope, record.spec, count)
            except AwsError as error:
                if now - record.created < _PATIENCE:
                    return _AGAIN
                return self._end(record, "Failed", f"{failed} {error}")
            record.status["_sent"] = now
            self._say(record, "Waiting for change to be fulfilled by sagemaker.")
        elif variant.desired != count:
            return self._end(record, "Overridden", "Another change of the desired count came after it.")
        elif variant.settled and variant.current == count:
            self._say(record, "Change successfully fulfilled by sagemaker.")
            return self._end(record, "Successful", record.status["StatusMessage"])
        elif now - record.status["_sent"] > _PATIENCE:
            return self._end(record, "Failed", f"{failed} sagemaker has not fulfilled it.")
        return _AGAIN

    def _say(self, record: Record, what: str) -> None:
        counted = scaled.kind_of(record.spec).counted
        record.status["StatusMessage"] = f"Successfully set desired {counted} to {record.spec['count']}. {what}"

    def _end(self, record: Record, state: str, message: str) -> float:
        record.state = state
        record.status |= {"StatusMessage": message, "EndTime": self.world.clock.now()}
        return _KEPT


async def latest(world: World, target: Record, count: int = 50) -> list[Record]:
    """The last activities of a scalable target, the newest first."""
    query = Query(ScalingActivity.noun, target.account, target.region, owner=target.arn, limit=count)
    return await world.table.select(query)


async def begin(world: World, target: Record, before: int, count: int, cause: str, policy: str = "") -> bool:
    """Set another capacity. False when another activity of the target is under way."""
    last = await latest(world, target)
    if any(one.state == "InProgress" for one in last):
        return False
    number = last[0].spec["number"] + 1 if last else 1
    spec = {
        "number": number,
        "Description": f"Setting desired {scaled.kind_of(target.spec).counted} to {count}.",
        "Cause": cause,
        "count": count,
        "before": before,
        "policy": policy,
    }
    return await _insert(world, target, f"{number:09d}", "InProgress", spec)


async def note(world: World, target: Record, name: str, description: str, cause: str) -> None:
    """Record what happened to the target itself, once for each `name`."""
    last = await latest(world, target)
    spec = {
        "number": last[0].spec["number"] if last else 0,
        "Description": f"Setting {description}",
        "Cause": cause,
        "StatusMessage": f"Successfully set {description}",
        "EndTime": world.clock.now(),
    }
    await _insert(world, target, name, "Successful", spec)


async def _insert(world: World, target: Record, name: str, state: str, spec: dict[str, Any]) -> bool:
    key = f"{target.key}|{target.created}|{name}"
    scope = Scope(target.account, target.region)
    activity = unique(scope, ScalingActivity.noun, key)
    place = {member: target.spec[member] for member in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    arn = scope.arn("application-autoscaling", f"scaling-activity/{activity}")
    whole = spec | place | {"ActivityId": activity}
    record = fresh(world.kinds[ScalingActivity.noun], scope, key, arn, whole, state=state, owner=target.arn)
    inserted = await world.table.insert(record)
    world.wake()
    return inserted


async def describe_scaling_activities(world: World, call: Call) -> dict[str, Any]:
    """Nothing that was not scaled is noted, so IncludeNotScaledActivities adds nothing."""
    if call.params.get("ScalableDimension") and not call.params.get("ResourceId"):
        raise ValidationError("A ScalableDimension needs a ResourceId.")
    return await described(world, call, ScalingActivity.noun, "ScalingActivities", newest_first=True)
