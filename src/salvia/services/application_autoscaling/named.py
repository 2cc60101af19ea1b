"""How records of this service are named and listed."""

import base64
import uuid
from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.listing import every
from salvia.resources.world import World

_PAGE = 50


def target_key(params: Mapping[str, Any]) -> str:
    return f"{params['ResourceId']}|{params['ScalableDimension']}"


def key_of(params: Mapping[str, Any], name: str) -> str:
    """Of what has a name within a scalable target."""
    return f"{target_key(params)}|{name}"


def unique(scope: Scope, kind: str, key: str) -> str:
    """The UUID in a record's ARN: the same whenever it is made anew."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope.account}/{scope.region}/{kind}/{key}"))


async def described(
    world: World, call: Call, noun: str, member: str, chosen: tuple[str, str] | None = None, newest_first: bool = False
) -> dict[str, Any]:
    """What a Describe operation answers: one `page`, as the noun shows its records, under `member`."""
    records, token = await page(world, call, noun, chosen, newest_first)
    return {member: [world.kinds[noun].view(record) for record in records]} | token


async def page(
    world: World, call: Call, noun: str, chosen: tuple[str, str] | None = None, newest_first: bool = False
) -> tuple[list[Record], dict[str, str]]:
    """The records of one page, and the NextToken if others follow.

    `chosen`: the member of the request that lists names, and that of a record which must be among them.
    Raises AwsError for a token that it did not give.
    """
    size = call.params.get("MaxResults", _PAGE)
    if not 1 <= size <= _PAGE:
        raise ValidationError(f"MaxResults must be between 1 and {_PAGE}.")
    sort = "created" if newest_first else "key"
    query = Query(noun, call.account, call.region, sort=sort, descending=newest_first)
    records = [record async for record in every(world.table, query) if _matches(record, call.params, chosen)]
    first = _first(call.params.get("NextToken"), records)
    found = records[first : first + size]
    if len(records) == first + len(found):
        return found, {}
    return found, {"NextToken": base64.urlsafe_b64encode(found[-1].key.encode()).decode()}


def _matches(record: Record, params: Mapping[str, Any], chosen: tuple[str, str] | None) -> bool:
    """Whether it is of the resource and the dimension that a request names, if any, and among the names."""
    place = ("ServiceNamespace", "ResourceId", "ScalableDimension")
    if any(params.get(member) not in {None, record.spec[member]} for member in place):
        return False
    if chosen is None or not params.get(chosen[0]):
        return True
    return record.spec[chosen[1]] in params[chosen[0]]


def _first(token: str | None, records: list[Record]) -> int:
    if not token:
        return 0
    try:
        key = base64.urlsafe_b64decode(token).decode()
        return [record.key for record in records].index(key) + 1
    except ValueError:
        raise AwsError("The NextToken is not one that was given.", code="InvalidNextTokenException") from None
