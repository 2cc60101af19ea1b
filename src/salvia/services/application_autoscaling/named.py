"""How records of this service are named and listed."""

import base64
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources import listing
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


async def every(world: World, query: Query) -> list[Record]:
    """All records of a query, however many pages."""
    return [record async for record in listing.every(world.table, query)]


async def page(
    world: World,
    call: Call,
    noun: str,
    member: str,
    accepts: Callable[[Record], bool],
    view: Callable[[Record], dict[str, Any]],
    newest_first: bool = False,
) -> dict[str, Any]:
    """One page of a Describe operation. Raises AwsError for a token that it did not give."""
    params = call.params
    size = params.get("MaxResults", _PAGE)
    if not 1 <= size <= _PAGE:
        raise ValidationError(f"MaxResults must be between 1 and {_PAGE}.")
    sort = "created" if newest_first else "key"
    query = Query(noun, call.account, call.region, sort=sort, descending=newest_first)
    records = [record for record in await every(world, query) if accepts(record)]
    first = _first(params.get("NextToken"), records)
    answer: dict[str, Any] = {member: [view(record) for record in records[first : first + size]]}
    if len(records) > first + size:
        answer["NextToken"] = base64.urlsafe_b64encode(records[first + size - 1].key.encode()).decode()
    return answer


def matches(record: Record, params: Mapping[str, Any]) -> bool:
    """Whether it is of the resource and the dimension that a request names, if any."""
    return all(
        params.get(member) in {None, record.spec[member]}
        for member in ("ServiceNamespace", "ResourceId", "ScalableDimension")
    )


def _first(token: str | None, records: list[Record]) -> int:
    if not token:
        return 0
    try:
        key = base64.urlsafe_b64decode(token).decode()
        return [record.key for record in records].index(key) + 1
    except ValueError:
        raise AwsError("The NextToken is not one that was given.", code="InvalidNextTokenException") from None
