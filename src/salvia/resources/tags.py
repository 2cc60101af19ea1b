"""AddTags, ListTags and DeleteTags, for every noun alike."""

from collections.abc import Callable
from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call
from salvia.base.errors import AwsError, LimitExceeded
from salvia.ports.table import Record
from salvia.resources.world import World

MOST_TAGS = 50


async def add_tags(world: World, call: Call) -> dict[str, Any]:
    added = {tag["Key"]: tag["Value"] for tag in call.params["Tags"]}
    return {"Tags": _pairs(await _retagged(world, call, lambda tags: tags | added))}


async def list_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": _pairs(await _tagged(world, call))}


async def delete_tags(world: World, call: Call) -> dict[str, Any]:
    removed = set(call.params["TagKeys"])
    await _retagged(world, call, lambda tags: {key: value for key, value in tags.items() if key not in removed})
    return {}


async def _retagged(world: World, call: Call, change: Callable[[dict[str, str]], dict[str, str]]) -> Record:
    """The record with changed tags; when another request saved first, the newest one's are changed."""
    while True:
        record = await _tagged(world, call)
        record.tags = change(record.tags)
        if len(record.tags) > MOST_TAGS:
            raise LimitExceeded(
                f"A resource has at most {MOST_TAGS} tags; with this request it would have {len(record.tags)}."
            )
        if await world.table.save_wish(record):
            return record


def _pairs(record: Record) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in record.tags.items()]


async def _tagged(world: World, call: Call) -> Record:
    text = call.params["ResourceArn"]
    arn = Arn.parse(text)
    record = await world.table.find(text) if (arn.account, arn.region) == (call.account, call.region) else None
    if record is None:
        raise AwsError(f"Resource {text} does not exist.", code="ResourceNotFound")
    return record
