"""Tags of records; and AddTags, ListTags and DeleteTags, for every noun of SageMaker alike."""

from collections.abc import Awaitable, Callable
from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call
from salvia.base.errors import AwsError, LimitExceeded
from salvia.ports.table import Record
from salvia.resources.world import World

MOST_TAGS = 50

Change = Callable[[dict[str, str]], dict[str, str]]


async def add_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": pairs(await retagged(world, call, _tagged, added(call), _too_many))}


async def list_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": pairs(await _tagged(world, call))}


async def delete_tags(world: World, call: Call) -> dict[str, Any]:
    await retagged(world, call, _tagged, removed(call), _too_many)
    return {}


# ------------------------------------------------------------- for every service


async def retagged(
    world: World,
    call: Call,
    find: Callable[[World, Call], Awaitable[Record]],
    change: Change,
    too_many: Callable[[str], AwsError],
) -> Record:
    """The record that `find` finds, with changed tags; when another request saved first, the newest one's are changed.

    Raises `too_many` of a sentence when more than 50 would be left.
    """
    while True:
        record = await find(world, call)
        record.tags = change(record.tags)
        if len(record.tags) > MOST_TAGS:
            words = f"A resource has at most {MOST_TAGS} tags; with this request it would have {len(record.tags)}."
            raise too_many(words)
        if await world.table.save_wish(record):
            return record


def added(call: Call) -> Change:
    """The request's Tags come to those there are."""
    new = {tag["Key"]: tag["Value"] for tag in call.params["Tags"]}
    return lambda tags: tags | new


def removed(call: Call) -> Change:
    """The request's TagKeys go."""
    keys = set(call.params["TagKeys"])
    return lambda tags: {key: value for key, value in tags.items() if key not in keys}


def pairs(record: Record) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in record.tags.items()]


# ------------------------------------------------------------- SageMaker's


def _too_many(words: str) -> AwsError:
    return LimitExceeded(words)


async def _tagged(world: World, call: Call) -> Record:
    text = call.params["ResourceArn"]
    arn = Arn.parse(text)
    record = await world.table.find(text) if (arn.account, arn.region) == (call.account, call.region) else None
    if record is None:
        raise AwsError(f"Resource {text} does not exist.", code="ResourceNotFound")
    return record
