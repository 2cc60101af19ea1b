"""AddTags, ListTags and DeleteTags, for every noun alike."""

from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call
from salvia.base.errors import AwsError, LimitExceeded
from salvia.ports.table import Record
from salvia.resources.world import World

MOST_TAGS = 50


async def add_tags(world: World, call: Call) -> dict[str, Any]:
    record = await _tagged(world, call)
    record.tags |= {tag["Key"]: tag["Value"] for tag in call.params["Tags"]}
    if len(record.tags) > MOST_TAGS:
        raise LimitExceeded(
            f"A resource has at most {MOST_TAGS} tags; with this request it would have {len(record.tags)}."
        )
    await world.table.save_wish(record)
    return {"Tags": _pairs(record)}


async def list_tags(world: World, call: Call) -> dict[str, Any]:
    return {"Tags": _pairs(await _tagged(world, call))}


async def delete_tags(world: World, call: Call) -> dict[str, Any]:
    record = await _tagged(world, call)
    for key in call.params["TagKeys"]:
        record.tags.pop(key, None)
    await world.table.save_wish(record)
    return {}


def _pairs(record: Record) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in record.tags.items()]


async def _tagged(world: World, call: Call) -> Record:
    text = call.params["ResourceArn"]
    arn = Arn.parse(text)
    record = await world.table.find(text) if (arn.account, arn.region) == (call.account, call.region) else None
    if record is None:
        raise AwsError(f"Resource {text} does not exist.", code="ResourceNotFound")
    return record
