"""Tags of log groups, by ARN and in the older way by name."""

from dataclasses import replace
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.logs import GroupKey, LogGroup
from salvia.resources.world import World
from salvia.services.logs.store import existing_group, group_key, group_name, log_store

_MOST = 50


async def tag_resource(world: World, call: Call) -> dict[str, Any]:
    return await _tag(world, await _by_arn(world, call), call.params["tags"])


async def untag_resource(world: World, call: Call) -> dict[str, Any]:
    return await _untag(world, await _by_arn(world, call), call.params["tagKeys"])


async def list_tags_for_resource(world: World, call: Call) -> dict[str, Any]:
    return {"tags": dict((await _by_arn(world, call)).tags)}


async def tag_log_group(world: World, call: Call) -> dict[str, Any]:
    return await _tag(world, await existing_group(world, group_key(call)), call.params["tags"])


async def untag_log_group(world: World, call: Call) -> dict[str, Any]:
    return await _untag(world, await existing_group(world, group_key(call)), call.params["tags"])


async def list_tags_log_group(world: World, call: Call) -> dict[str, Any]:
    return {"tags": dict((await existing_group(world, group_key(call))).tags)}


async def _by_arn(world: World, call: Call) -> LogGroup:
    name = group_name(call, call.params["resourceArn"])
    return await existing_group(world, GroupKey(call.account, call.region, name))


async def _tag(world: World, group: LogGroup, tags: dict[str, str]) -> dict[str, Any]:
    merged = {**group.tags, **tags}
    if len(merged) > _MOST:
        raise AwsError(f"A resource can have no more than {_MOST} tags.", code="TooManyTagsException")
    await log_store(world).groups.change(replace(group, tags=merged))
    return {}


async def _untag(world: World, group: LogGroup, keys: list[str]) -> dict[str, Any]:
    left = {key: value for key, value in group.tags.items() if key not in keys}
    await log_store(world).groups.change(replace(group, tags=left))
    return {}
