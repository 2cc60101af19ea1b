"""Users: identities with keys of their own."""

from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call, Caller
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.iam import entity, store
from salvia.services.iam.attachments import has_attachments
from salvia.services.iam.boundary import checked_boundary
from salvia.services.iam.entity import USER
from salvia.services.iam.errors import DeleteConflict, InvalidRequest
from salvia.services.iam.groups import groups_of
from salvia.services.iam.inline import has_inline
from salvia.services.iam.paging import below, page_of_records


async def create_user(world: World, call: Call) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if "PermissionsBoundary" in call.params:
        spec["PermissionsBoundary"] = await checked_boundary(world, call.account, call.params["PermissionsBoundary"])
    return {"User": entity.shown_whole(USER, await entity.create(world, call, USER, spec))}


async def get_user(world: World, call: Call) -> dict[str, Any]:
    return {"User": entity.shown_whole(USER, await named_or_calling(world, call))}


async def list_users(world: World, call: Call) -> dict[str, Any]:
    query = Query(USER.kind, call.account)
    records, more = await page_of_records(world, call, query, below(call.params.get("PathPrefix")))
    return {"Users": [entity.shown(USER, record) for record in records], **more}


async def delete_user(world: World, call: Call) -> dict[str, Any]:
    record = await entity.get(world, call.account, USER, call.params["UserName"])
    if await has_attachments(world, record):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if await has_inline(world, record):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    if await world.parts["access_keys"].keys(call.account, record.arn):
        raise DeleteConflict("Cannot delete entity, must delete access keys first.")
    if await groups_of(world, record):
        raise DeleteConflict("Cannot delete entity, must remove user from all groups first.")
    await store.remove(world, record)
    return {}


async def named_or_calling(world: World, call: Call) -> Record:
    """The user that the call names; without a name, the one who calls."""
    name = call.params.get("UserName") or user_name_of(call.caller)
    if not name:
        raise InvalidRequest("Must specify userName when calling with non-User credentials")
    return await entity.get(world, call.account, USER, name)


def user_name_of(caller: Caller) -> str:
    """An empty string for callers that are no users."""
    if ":user/" not in caller.arn:
        return ""
    return Arn.parse(caller.arn).name
