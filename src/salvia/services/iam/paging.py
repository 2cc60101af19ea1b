"""Pages of IAM's lists: at most MaxItems of what fits, and a Marker where there is more."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.iam.errors import InvalidRequest

Item = TypeVar("Item")

_CHUNK = 200


async def page_of_records(
    world: World, call: Call, query: Query, keep: Callable[[Record], bool]
) -> tuple[list[Record], dict[str, Any]]:
    """The records of the page, in order of their names, and the members IsTruncated and Marker."""
    limit = call.params.get("MaxItems", 100)
    query = replace(query, sort="name", descending=False, limit=_CHUNK, after=_after(call))
    kept: list[Record] = []
    while True:
        chunk = await world.table.select(query)
        kept += [record for record in chunk if keep(record)]
        if len(kept) > limit:
            last = kept[limit - 1]
            return kept[:limit], {"IsTruncated": True, "Marker": _marker([last.name, last.key])}
        if len(chunk) < _CHUNK:
            return kept, {"IsTruncated": False}
        query = replace(query, after=(chunk[-1].name, chunk[-1].key))


def page_of_list(call: Call, items: Sequence[Item]) -> tuple[list[Item], dict[str, Any]]:
    """The same for a list that is at hand and always comes in the same order."""
    limit = call.params.get("MaxItems", 100)
    start = _read(call.params["Marker"], int) if "Marker" in call.params else 0
    end = start + limit
    if end < len(items):
        return list(items[start:end]), {"IsTruncated": True, "Marker": _marker(end)}
    return list(items[start:end]), {"IsTruncated": False}


def below(prefix: str | None) -> Callable[[Record], bool]:
    """Keeps what has a Path that starts with `prefix`."""
    return lambda record: record.spec["Path"].startswith(prefix or "/")


def _after(call: Call) -> tuple[str, str] | None:
    if "Marker" not in call.params:
        return None
    pair = _read(call.params["Marker"], list)
    return str(pair[0]), str(pair[-1])


def _marker(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _read(marker: str, kind: type[Any]) -> Any:
    try:
        value = json.loads(base64.urlsafe_b64decode(marker))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("Invalid Marker.") from error
    if not isinstance(value, kind) or not value:
        raise InvalidRequest("Invalid Marker.")
    return value
