"""Log groups: create, describe, list, delete, and how long they keep their events."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.logs import GroupKey, LogGroup
from salvia.resources.world import World
from salvia.services.logs.store import (
    InvalidParameter,
    ResourceAlreadyExists,
    existing_group,
    group_arn,
    group_key,
    group_missing,
    group_name,
    log_store,
    now_ms,
)

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


async def create_log_group(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    group = LogGroup(
        key=group_key(call),
        created=now_ms(world),
        kms_key=params.get("kmsKeyId", ""),
        log_class=params.get("logGroupClass", "STANDARD"),
        protected=params.get("deletionProtectionEnabled", False),
        tags=params.get("tags", {}),
    )
    if not await log_store(world).groups.create(group):
        raise ResourceAlreadyExists("The specified log group already exists")
    return {}


async def delete_log_group(world: World, call: Call) -> dict[str, Any]:
    group = await existing_group(world, group_key(call))
    if group.protected:
        raise AwsError(
            "The log group has deletion protection; switch it off with PutLogGroupDeletionProtection first.",
            code="ValidationException",
        )
    if not await log_store(world).groups.delete(group.key):
        raise group_missing()
    return {}


async def describe_log_groups(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    prefix, contains = params.get("logGroupNamePrefix", ""), params.get("logGroupNamePattern", "")
    if prefix and contains:
        raise InvalidParameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if identifiers := params.get("logGroupIdentifiers"):
        names = [GroupKey(call.account, call.region, group_name(call, identifier)) for identifier in identifiers]
        return {"logGroups": [await _described(world, await existing_group(world, name)) for name in names]}
    wanted = params.get("logGroupClass")
    accepted = {"INFREQUENT_ACCESS", "ESSENTIALS"} if wanted in {"INFREQUENT_ACCESS", "ESSENTIALS"} else {wanted}
    found, token = await _page(
        world,
        call,
        default_limit=50,
        prefix=prefix,
        contains=contains,
        accepts=lambda group: wanted is None or group.log_class in accepted,
    )
    return {"logGroups": [await _described(world, group) for group in found], **token}


async def list_log_groups(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    if params.get("dataSources") or params.get("fieldIndexNames"):
        raise InvalidParameter("Log groups have neither data sources nor field indexes here.")
    pattern = re.compile(params.get("logGroupNamePattern") or "")  # the model allows names, "^" and "|" only
    wanted = params.get("logGroupClass")
    filters = params.get("logGroupTags", ())
    found, token = await _page(
        world,
        call,
        default_limit=50,
        accepts=lambda group: (
            pattern.search(group.key.group) is not None
            and wanted in {None, group.log_class}
            and all(_has_tag(group, each) for each in filters)
        ),
    )
    summaries = [
        {
            "logGroupName": group.key.group,
            "logGroupArn": group_arn(group.key),
            "logGroupClass": group.log_class,
        }
        for group in found
    ]
    return {"logGroups": summaries, **token}


async def put_log_group_deletion_protection(world: World, call: Call) -> dict[str, Any]:
    key = GroupKey(call.account, call.region, group_name(call, call.params["logGroupIdentifier"]))
    group = await existing_group(world, key)
    await log_store(world).groups.change(replace(group, protected=call.params["deletionProtectionEnabled"]))
    return {}


async def put_retention_policy(world: World, call: Call) -> dict[str, Any]:
    days = call.params["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise InvalidParameter(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
            f"Member must satisfy enum value set: {list(RETENTION_DAYS)}"
        )
    group = await existing_group(world, group_key(call))
    await log_store(world).groups.change(replace(group, retention_days=days))
    return {}


async def delete_retention_policy(world: World, call: Call) -> dict[str, Any]:
    group = await existing_group(world, group_key(call))
    await log_store(world).groups.change(replace(group, retention_days=None))
    return {}


async def _described(world: World, group: LogGroup) -> dict[str, Any]:
    arn = group_arn(group.key)
    members: dict[str, Any] = {
        "logGroupName": group.key.group,
        "creationTime": group.created,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": await log_store(world).groups.stored_bytes(group.key),
        "logGroupClass": group.log_class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention_days is not None:
        members["retentionInDays"] = group.retention_days
    if group.kms_key:
        members["kmsKeyId"] = group.kms_key
    return members


async def _page(
    world: World,
    call: Call,
    *,
    default_limit: int,
    accepts: Callable[[LogGroup], bool],
    prefix: str = "",
    contains: str = "",
) -> tuple[list[LogGroup], dict[str, str]]:
    """Groups that are accepted, by name, and the token (the last name) when there are more."""
    limit = call.params.get("limit", default_limit)
    found: list[LogGroup] = []
    after = call.params.get("nextToken", "")
    while True:
        batch = await log_store(world).groups.list(
            call.account, call.region, prefix=prefix, contains=contains, after=after, limit=limit + 1
        )
        found.extend(group for group in batch if accepts(group))
        if len(found) > limit:
            return found[:limit], {"nextToken": found[limit - 1].key.group}
        if len(batch) <= limit:
            return found, {}
        after = batch[-1].key.group


def _has_tag(group: LogGroup, wanted: dict[str, Any]) -> bool:
    """One filter: the key, and any of its values; `!` negates, `*` at either end stands for any text."""
    if wanted["key"] not in group.tags:
        return False
    values = wanted.get("values") or []
    return not values or any(_matches(group.tags[wanted["key"]], value) for value in values)


def _matches(text: str, pattern: str) -> bool:
    wanted = pattern.removeprefix("!")
    core = wanted.removeprefix("*").removesuffix("*")
    if wanted.startswith("*") and wanted.endswith("*"):
        matched = core in text
    elif wanted.startswith("*"):
        matched = text.endswith(core)
    elif wanted.endswith("*"):
        matched = text.startswith(core)
    else:
        matched = text == core
    return matched != pattern.startswith("!")
