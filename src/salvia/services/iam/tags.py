"""Tags of roles, users and policies."""

from collections.abc import Awaitable, Callable
from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Record
from salvia.resources.service import Operation
from salvia.resources.world import World
from salvia.services.iam import entity, managed, store
from salvia.services.iam.entity import Noun
from salvia.services.iam.errors import LimitExceeded
from salvia.services.iam.paging import page_of_list

Find = Callable[[World, Call], Awaitable[Record]]

_TAGS_LIMIT = 50


def named(noun: Noun) -> Find:
    """Finds the role or user that a call names."""

    async def find(world: World, call: Call) -> Record:
        return await entity.get(world, call.account, noun, call.params[noun.name_member])

    return find


policy: Find = managed.get


def tag(find: Find) -> Operation:
    async def add(world: World, call: Call) -> dict[str, Any]:
        record = await find(world, call)
        record.tags = record.tags | entity.tags_of(call.params["Tags"])
        if len(record.tags) > _TAGS_LIMIT:
            raise LimitExceeded("The number of tags has reached the maximum limit.")
        await store.save(world, record)
        return {}

    return add


def untag(find: Find) -> Operation:
    async def take(world: World, call: Call) -> dict[str, Any]:
        record = await find(world, call)
        for key in call.params["TagKeys"]:
            record.tags.pop(key, None)
        await store.save(world, record)
        return {}

    return take


def list_tags(find: Find) -> Operation:
    async def shown(world: World, call: Call) -> dict[str, Any]:
        record = await find(world, call)
        tags, more = page_of_list(call, [{"Key": key, "Value": value} for key, value in sorted(record.tags.items())])
        return {"Tags": tags, **more}

    return shown
