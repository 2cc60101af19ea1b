"""Inline policies: documents that belong to one role, user or group and go with it."""

from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.service import Operation
from salvia.resources.world import World
from salvia.services.iam import documents, entity, store
from salvia.services.iam.entity import GROUP, ROLE, USER, Noun
from salvia.services.iam.errors import ConcurrentModification, NoSuchEntity
from salvia.services.iam.paging import page_of_records
from salvia.services.iam.policy import Use

KIND = "iam:InlinePolicy"

_LIMITS = {ROLE.type: 10_240, USER.type: 2048, GROUP.type: 5120}  # characters, all of one entity's together


async def inline_policies(world: World, owner: Record) -> list[Record]:
    """Each with its name and `spec["Document"]`."""
    return await store.every(world, Query(KIND, owner.account, owner=owner.arn))


async def has_inline(world: World, owner: Record) -> bool:
    return bool(await world.table.select(Query(KIND, owner.account, owner=owner.arn, limit=1)))


def put_policy(noun: Noun) -> Operation:
    async def put(world: World, call: Call) -> dict[str, Any]:
        owner = await entity.get(world, call.account, noun, call.params[noun.name_member])
        name, text = call.params["PolicyName"], call.params["PolicyDocument"]
        others = [policy for policy in await inline_policies(world, owner) if policy.name != name]
        already = sum(documents.size(policy.spec["Document"]) for policy in others)
        limit = _LIMITS[noun.type]
        refusal = f"Maximum policy size of {limit} bytes exceeded for {noun.type} {owner.name}"
        documents.checked(text, Use.IDENTITY, limit, refusal, already)
        record = await world.table.get(KIND, call.account, "", _key(noun, owner, name))
        if record is not None:
            record.spec["Document"] = text
            await store.save(world, record)
        elif not await store.insert(world, _new(world, owner, noun, name, text)):
            raise ConcurrentModification
        return {}

    return put


def get_policy(noun: Noun) -> Operation:
    async def get(world: World, call: Call) -> dict[str, Any]:
        owner, record = await _policy(world, call, noun)
        return {
            noun.name_member: owner.name,
            "PolicyName": record.name,
            "PolicyDocument": entity.encoded(record.spec["Document"]),
        }

    return get


def delete_policy(noun: Noun) -> Operation:
    async def delete(world: World, call: Call) -> dict[str, Any]:
        _, record = await _policy(world, call, noun)
        await store.remove(world, record)
        return {}

    return delete


def list_policies(noun: Noun) -> Operation:
    async def names(world: World, call: Call) -> dict[str, Any]:
        owner = await entity.get(world, call.account, noun, call.params[noun.name_member])
        records, more = await page_of_records(world, call, Query(KIND, call.account, owner=owner.arn), lambda _: True)
        return {"PolicyNames": [record.name for record in records], **more}

    return names


async def _policy(world: World, call: Call, noun: Noun) -> tuple[Record, Record]:
    owner = await entity.get(world, call.account, noun, call.params[noun.name_member])
    name = call.params["PolicyName"]
    record = await world.table.get(KIND, call.account, "", _key(noun, owner, name))
    if record is None:
        raise NoSuchEntity(f"The {noun.type} policy with name {name} cannot be found.")
    return owner, record


def _key(noun: Noun, owner: Record, name: str) -> str:
    return f"{noun.type}/{owner.key}/{name}"


def _new(world: World, owner: Record, noun: Noun, name: str, text: str) -> Record:
    key, arn = _key(noun, owner, name), f"{owner.arn}#policy/{name}"
    return store.new(world, KIND, owner.account, key, arn, {"Document": text}, name=name, owner=owner.arn)
