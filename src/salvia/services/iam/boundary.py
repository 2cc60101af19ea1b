"""Permissions boundaries: a managed policy that limits what a role or user can ever be allowed."""

from typing import Any

from salvia.base.call import Call
from salvia.resources.service import Operation
from salvia.resources.world import World
from salvia.services.iam import entity, store
from salvia.services.iam.entity import Noun
from salvia.services.iam.errors import NoSuchEntity
from salvia.services.iam.managed import document_of


async def checked_boundary(world: World, account: str, policy_arn: str) -> str:
    """The ARN itself, when there is such a policy."""
    if await document_of(world, account, policy_arn) is None:
        raise NoSuchEntity(f"Scope ARN: {policy_arn} does not exist or is not attachable.")
    return policy_arn


def put_boundary(noun: Noun) -> Operation:
    async def put(world: World, call: Call) -> dict[str, Any]:
        record = await entity.get(world, call.account, noun, call.params[noun.name_member])
        policy_arn = call.params["PermissionsBoundary"]
        record.spec["PermissionsBoundary"] = await checked_boundary(world, call.account, policy_arn)
        await store.save(world, record)
        return {}

    return put


def delete_boundary(noun: Noun) -> Operation:
    async def delete(world: World, call: Call) -> dict[str, Any]:
        record = await entity.get(world, call.account, noun, call.params[noun.name_member])
        if record.spec.pop("PermissionsBoundary", None) is None:
            raise NoSuchEntity(f"{noun.word} {record.name} does not have a permission boundary.")
        await store.save(world, record)
        return {}

    return delete
