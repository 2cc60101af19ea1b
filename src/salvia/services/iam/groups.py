"""Groups: policies that several users share."""

from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.iam import entity, store
from salvia.services.iam.attachments import has_attachments
from salvia.services.iam.entity import GROUP, USER
from salvia.services.iam.errors import DeleteConflict, NoSuchEntity
from salvia.services.iam.inline import has_inline
from salvia.services.iam.paging import below, page_of_list, page_of_records

MEMBERSHIP = "iam:Membership"  # `name` is the user's ARN, `owner` that of the group


async def groups_of(world: World, user: Record) -> list[Record]:
    memberships = await store.every(world, Query(MEMBERSHIP, user.account, name_contains=user.arn))
    found = [
        await entity.find(world, user.account, GROUP, membership.spec["GroupName"])
        for membership in memberships
        if membership.name == user.arn
    ]
    return [group for group in found if group is not None]


async def create_group(world: World, call: Call) -> dict[str, Any]:
    return {"Group": entity.shown(GROUP, await entity.create(world, call, GROUP, {}))}


async def get_group(world: World, call: Call) -> dict[str, Any]:
    group = await _group(world, call)
    found = [
        await entity.find(world, call.account, USER, membership.spec["UserName"])
        for membership in await _memberships(world, group)
    ]
    users, more = page_of_list(call, [entity.shown(USER, user) for user in found if user is not None])
    return {"Group": entity.shown(GROUP, group), "Users": users, **more}


async def list_groups(world: World, call: Call) -> dict[str, Any]:
    query = Query(GROUP.kind, call.account)
    records, more = await page_of_records(world, call, query, below(call.params.get("PathPrefix")))
    return {"Groups": [entity.shown(GROUP, record) for record in records], **more}


async def list_groups_for_user(world: World, call: Call) -> dict[str, Any]:
    user = await entity.get(world, call.account, USER, call.params["UserName"])
    groups, more = page_of_list(call, [entity.shown(GROUP, group) for group in await groups_of(world, user)])
    return {"Groups": groups, **more}


async def delete_group(world: World, call: Call) -> dict[str, Any]:
    group = await _group(world, call)
    if await _memberships(world, group):
        raise DeleteConflict("Cannot delete entity, must remove users from group first.")
    if await has_attachments(world, group):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if await has_inline(world, group):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    await store.remove(world, group)
    return {}


async def add_user_to_group(world: World, call: Call) -> dict[str, Any]:
    group = await _group(world, call)
    user = await entity.get(world, call.account, USER, call.params["UserName"])
    key, arn = f"{group.key}/{user.key}", f"{group.arn}#member/{user.name}"
    spec = {"GroupName": group.name, "UserName": user.name}
    membership = store.new(world, MEMBERSHIP, call.account, key, arn, spec, name=user.arn, owner=group.arn)
    await store.insert(world, membership)  # adding twice is adding once
    return {}


async def remove_user_from_group(world: World, call: Call) -> dict[str, Any]:
    group = await _group(world, call)
    user = await entity.get(world, call.account, USER, call.params["UserName"])
    membership = await world.table.get(MEMBERSHIP, call.account, "", f"{group.key}/{user.key}")
    if membership is None:
        raise NoSuchEntity(f"User {user.name} not in group {group.name}")
    await store.remove(world, membership)
    return {}


async def _group(world: World, call: Call) -> Record:
    return await entity.get(world, call.account, GROUP, call.params["GroupName"])


async def _memberships(world: World, group: Record) -> list[Record]:
    return await store.every(world, Query(MEMBERSHIP, group.account, owner=group.arn))
