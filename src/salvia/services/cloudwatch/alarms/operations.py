"""The operations of alarms: put, describe, delete, set, switch actions on and off."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, Unsupported
from salvia.ports.table import Query, Record
from salvia.resources.listing import every
from salvia.resources.tags import added, pairs, removed, retagged
from salvia.resources.world import World
from salvia.services.cloudwatch.alarms.alarm import Alarm, actions_of
from salvia.services.cloudwatch.alarms.request import ACTIONS

_PAGE = 50
_STEP = 200


async def put_metric_alarm(world: World, call: Call) -> dict[str, Any]:
    policies = [
        action for member in ACTIONS.values() for action in call.params.get(member) or () if ":scalingPolicy:" in action
    ]
    # The owner is who is told of a change at once.
    await _kind(world).make(Scope(call.account, call.region), call.params, policies[0] if policies else "")
    return {}


async def describe_alarms(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    for member in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
        if params.get(member):
            raise Unsupported(f"{member}: there are no composite alarms here.")
    if params.get("AlarmNames") and params.get("AlarmNamePrefix"):
        raise AwsError(
            "AlarmNamePrefix and AlarmNames are mutually exclusive parameters.", code="InvalidParameterCombination"
        )
    if "MetricAlarm" not in (params.get("AlarmTypes") or ["MetricAlarm"]):
        return {"MetricAlarms": [], "CompositeAlarms": []}
    size = params.get("MaxRecords", _PAGE)
    names = params.get("AlarmNames")
    found: list[dict[str, Any]] = []
    async for record in _every(world, call, after=_after(params.get("NextToken", ""))):
        shown = _kind(world).view(record)
        if (names and record.key not in names) or not _fits(record, shown, params):
            continue
        if len(found) == size:
            last = base64.urlsafe_b64encode(found[-1]["AlarmName"].encode()).decode()
            return {"MetricAlarms": found, "CompositeAlarms": [], "NextToken": last}
        found.append(shown)
    return {"MetricAlarms": found, "CompositeAlarms": []}


async def describe_alarms_for_metric(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    dimensions = _pairs(params.get("Dimensions"))
    found = []
    async for record in _every(world, call):
        spec = record.spec
        named = all(spec.get(member) == params[member] for member in ("MetricName", "Namespace"))
        same = all(
            spec.get(member) == params[member]
            for member in ("Statistic", "ExtendedStatistic", "Period", "Unit")
            if member in params
        )
        if named and same and _pairs(spec["Dimensions"]) == dimensions:
            found.append(_kind(world).view(record))
    return {"MetricAlarms": found}


async def delete_alarms(world: World, call: Call) -> dict[str, Any]:
    """All or none."""
    names = list(dict.fromkeys(call.params["AlarmNames"]))
    records = {name: await world.table.get(Alarm.noun, call.account, call.region, name) for name in names}
    missing = [name for name, record in records.items() if record is None]
    if missing:
        raise AwsError(f"Alarms not found: {', '.join(missing)}", code="ResourceNotFound", http_status=404)
    for record in records.values():
        if record is not None:
            await world.table.delete(record)
    return {}


async def set_alarm_state(world: World, call: Call) -> dict[str, Any]:
    wanted = {
        name: call.params[name] for name in ("StateValue", "StateReason", "StateReasonData") if name in call.params
    }

    async def changed(record: Record) -> None:
        record.spec["_set"] = wanted | {"at": world.clock.now()}

    await _kind(world).wish(call, changed)
    return {}


async def enable_alarm_actions(world: World, call: Call) -> dict[str, Any]:
    return await _switched(world, call, True)


async def disable_alarm_actions(world: World, call: Call) -> dict[str, Any]:
    return await _switched(world, call, False)


async def list_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": pairs(await _tagged(world, call))}


async def tag_resource(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, added(call), _too_many)
    return {}


async def untag_resource(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, removed(call), _too_many)
    return {}


# ------------------------------------------------------------- the smaller steps


def _kind(world: World) -> Alarm:
    return cast(Alarm, world.kinds[Alarm.noun])


def _every(world: World, call: Call, after: str = "") -> AsyncIterator[Record]:
    """The alarms of the caller's account and region, by name, from the one after `after`."""
    position = (after, after) if after else None
    query = Query(Alarm.noun, call.account, call.region, sort="key", descending=False, after=position, limit=_STEP)
    return every(world.table, query)


def _after(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise AwsError("The value for parameter NextToken is invalid.", code="InvalidNextToken") from None


def _fits(record: Record, shown: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    return (
        record.key.startswith(params.get("AlarmNamePrefix", ""))
        and params.get("StateValue", shown["StateValue"]) == shown["StateValue"]
        and (
            not params.get("ActionPrefix") or any(one.startswith(params["ActionPrefix"]) for one in actions_of(record))
        )
    )


def _pairs(dimensions: Any) -> list[tuple[str, str]]:
    return sorted((one["Name"], one["Value"]) for one in dimensions or ())


async def _switched(world: World, call: Call, enabled: bool) -> dict[str, Any]:
    async def changed(record: Record) -> None:
        record.spec["ActionsEnabled"] = enabled

    for name in dict.fromkeys(call.params["AlarmNames"]):
        if await world.table.get(Alarm.noun, call.account, call.region, name):
            one = Call(call.service, call.operation, {"AlarmName": name}, call.caller, call.region)
            await _kind(world).wish(one, changed)
    return {}


async def _tagged(world: World, call: Call) -> Record:
    record = await world.table.find(call.params["ResourceARN"])
    if record is None or (record.kind, record.account) != (Alarm.noun, call.account):
        raise AwsError(
            f"The resource {call.params['ResourceARN']} does not exist.",
            code="ResourceNotFoundException",
            http_status=404,
        )
    return record


def _too_many(words: str) -> AwsError:
    return AwsError(words, code="InvalidParameterValue")
