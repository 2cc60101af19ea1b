"""The grammar every List operation shares: filters, SortBy and SortOrder, MaxResults and NextToken.

What the narrow index can answer goes into the Query; the rest is tested row by row. Pages are cut last, always.
"""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson

from salvia.base.errors import ValidationError
from salvia.ports.table import Query, Record, Table

_INDEXED = {
    "NameContains": "name_contains",
    "StatusEquals": "state",
    "CreationTimeAfter": "created_after",
    "CreationTimeBefore": "created_before",
    "LastModifiedTimeAfter": "modified_after",
    "LastModifiedTimeBefore": "modified_before",
    "CreatedAfter": "created_after",
    "CreatedBefore": "created_before",
    "ModifiedAfter": "modified_after",
    "ModifiedBefore": "modified_before",
}
_SORTS = {
    "Name": "name",
    "CreationTime": "created",
    "Status": "state",
    "LastModifiedTime": "modified",
    "CreatedAt": "created",
}
_MOMENTS = {"created", "modified"}
_PAGING = {"NextToken", "MaxResults", "SortBy", "SortOrder"}
_WISHED = frozenset({"Stopping", "Deleting", "Updating"})  # statuses that a record shows before it has them
_STEP = 200
_SIZE = 10  # of a page, where MaxResults does not say
_FOREIGN = "Invalid pagination token: NextToken must be the one a previous reply gave."

Item = TypeVar("Item")
View = Callable[[Record], Mapping[str, Any]]


@dataclass(slots=True)
class _Plan:
    query: Query
    tests: dict[str, Any] = field(default_factory=dict)  # filters that only the view can answer
    size: int = _SIZE


async def page(
    table: Table, kind: str, account: str, region: str, request: Mapping[str, Any], view: View
) -> tuple[list[Mapping[str, Any]], str | None]:
    """One page of views and the token of the next, None at the end.

    Raises ValidationError for a token that this operation did not give.
    """
    plan = _plan(kind, account, region, request)
    found: list[Mapping[str, Any]] = []
    after = plan.query.after
    while True:
        step = plan.size - len(found) + 1 if not plan.tests or after == plan.query.after else _STEP
        records = await table.select(_from(plan.query, after, step))
        for record in records:
            shown = view(record)
            if not all(_keeps(shown, member, wanted) for member, wanted in plan.tests.items()):
                after = _position(record, plan.query.sort)
                continue
            if len(found) == plan.size:
                return found, _token(after)
            found.append(shown)
            after = _position(record, plan.query.sort)
        if len(records) < step:
            return found, None


async def every(table: Table, query: Query) -> AsyncIterator[Record]:
    """All records of a query in its order, read in steps of its limit."""
    while True:
        records = await table.select(query)
        for record in records:
            yield record
        if len(records) < query.limit:
            return
        query = replace(query, after=_position(records[-1], query.sort))


def cut(items: Sequence[Item], request: Mapping[str, Any]) -> tuple[Sequence[Item], str | None]:
    """The page that `request` asks for of a list that is made anew for every request; the token is the place where the next begins.

    Raises ValidationError for a token that this operation did not give.
    """
    start, size = _place(request.get("NextToken")), int(request.get("MaxResults", _SIZE))
    end = start + size
    return items[start:end], base64.b64encode(str(end).encode()).decode() if end < len(items) else None


def _place(token: str | None) -> int:
    try:
        place = int(base64.b64decode(token)) if token else 0
    except ValueError:
        place = -1
    if place < 0:
        raise ValidationError(_FOREIGN)
    return place


def _plan(kind: str, account: str, region: str, request: Mapping[str, Any]) -> _Plan:
    indexed = {_INDEXED[member]: value for member, value in request.items() if member in _INDEXED and value != ""}
    tests = {member: value for member, value in request.items() if member not in _INDEXED and member not in _PAGING}
    if "state" in indexed:
        # A wish shows in the view before the loop has written the state, so the view has the last word.
        tests["StatusEquals"] = indexed["state"]
        if indexed["state"] in _WISHED:
            del indexed["state"]
    sort = _SORTS.get(request.get("SortBy", "CreationTime"), "created")
    query = Query(
        kind=kind,
        account=account,
        region=region,
        sort=sort,
        descending=request.get("SortOrder", "Descending") == "Descending",
        after=_position_of(request["NextToken"], sort) if request.get("NextToken") else None,
        **indexed,
    )
    return _Plan(query, tests, int(request.get("MaxResults", _SIZE)))


def _from(query: Query, after: tuple[Any, str] | None, limit: int) -> Query:
    kept = {name: getattr(query, name) for name in Query.__slots__}
    return Query(**(kept | {"after": after, "limit": limit}))


def _position(record: Record, sort: str) -> tuple[Any, str]:
    return getattr(record, sort), record.key


def _token(position: tuple[Any, str] | None) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode()


def _position_of(token: str, sort: str) -> tuple[Any, str]:
    """A token goes with the order of the reply that gave it."""
    try:
        value, key = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        value = key = None
    if type(key) is not str or type(value) not in ({float, int} if sort in _MOMENTS else {str}):
        raise ValidationError(_FOREIGN)
    return (float(value) if sort in _MOMENTS else value), key


def _keeps(view: Mapping[str, Any], member: str, wanted: Any) -> bool:
    for suffix, test in _TESTS.items():
        if member.endswith(suffix) and member not in view:
            stem = member.removesuffix(suffix)
            return test(view.get(_STEMS.get(stem, stem), view.get(f"_{stem}")), wanted)
    return bool(view.get(member) == wanted)


_STEMS = {"Name": "_name", "Status": "_status", "CreationTime": "CreationTime", "LastModifiedTime": "LastModifiedTime"}
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "Contains": lambda have, wanted: str(wanted).lower() in str(have or "").lower(),
    "Equals": lambda have, wanted: bool(have == wanted),
    "After": lambda have, wanted: have is not None and bool(have > wanted),
    "Before": lambda have, wanted: have is not None and bool(have < wanted),
}
