"""Roles: identities that others assume, each with a trust policy that says who may."""

from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.iam import documents, entity, store
from salvia.services.iam.attachments import has_attachments
from salvia.services.iam.boundary import checked_boundary
from salvia.services.iam.entity import ROLE
from salvia.services.iam.errors import DeleteConflict
from salvia.services.iam.inline import has_inline
from salvia.services.iam.paging import below, page_of_records
from salvia.services.iam.policy import Use

_TRUST_POLICY_LIMIT = 2048  # characters


async def create_role(world: World, call: Call) -> dict[str, Any]:
    given = call.params
    spec: dict[str, Any] = {
        "AssumeRolePolicyDocument": _trust(given["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": given.get("MaxSessionDuration", 3600),
    }
    if given.get("Description"):
        spec["Description"] = given["Description"]
    if "PermissionsBoundary" in given:
        spec["PermissionsBoundary"] = await checked_boundary(world, call.account, given["PermissionsBoundary"])
    return {"Role": _shown_whole(await entity.create(world, call, ROLE, spec))}


async def get_role(world: World, call: Call) -> dict[str, Any]:
    return {"Role": _shown_whole(await _role(world, call))}


async def list_roles(world: World, call: Call) -> dict[str, Any]:
    query = Query(ROLE.kind, call.account)
    records, more = await page_of_records(world, call, query, below(call.params.get("PathPrefix")))
    return {"Roles": [_shown(record) for record in records], **more}


async def update_role(world: World, call: Call) -> dict[str, Any]:
    record = await _role(world, call)
    record.spec |= {key: call.params[key] for key in ("Description", "MaxSessionDuration") if key in call.params}
    await store.save(world, record)
    return {}


async def update_role_description(world: World, call: Call) -> dict[str, Any]:
    record = await _role(world, call)
    record.spec["Description"] = call.params["Description"]
    await store.save(world, record)
    return {"Role": _shown_whole(record)}


async def update_assume_role_policy(world: World, call: Call) -> dict[str, Any]:
    record = await _role(world, call)
    record.spec["AssumeRolePolicyDocument"] = _trust(call.params["PolicyDocument"])
    await store.save(world, record)
    return {}


async def delete_role(world: World, call: Call) -> dict[str, Any]:
    record = await _role(world, call)
    if await has_attachments(world, record):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if await has_inline(world, record):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    await store.remove(world, record)
    return {}


async def list_instance_profiles_for_role(world: World, call: Call) -> dict[str, Any]:
    """Always empty: there are no machines to rent here, so instance profiles cannot be created."""
    await _role(world, call)
    return {"InstanceProfiles": [], "IsTruncated": False}


def _trust(document: str) -> str:
    return documents.checked(
        document, Use.TRUST, _TRUST_POLICY_LIMIT, f"Cannot exceed quota for ACLSizePerRole: {_TRUST_POLICY_LIMIT}"
    )


async def _role(world: World, call: Call) -> Record:
    return await entity.get(world, call.account, ROLE, call.params["RoleName"])


def _shown(record: Record) -> dict[str, Any]:
    members = entity.shown(ROLE, record)
    members["AssumeRolePolicyDocument"] = entity.encoded(record.spec["AssumeRolePolicyDocument"])
    members["MaxSessionDuration"] = record.spec["MaxSessionDuration"]
    if record.spec.get("Description"):
        members["Description"] = record.spec["Description"]
    return members


def _shown_whole(record: Record) -> dict[str, Any]:
    used = record.status.get("LastUsed")
    last_used = {"LastUsedDate": used, "Region": record.status["Region"]} if used else {}
    return _shown(record) | entity.shown_whole(ROLE, record) | {"RoleLastUsed": last_used}
