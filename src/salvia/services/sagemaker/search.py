"""Search: find records of a kind by any property, with nested filters and boolean expressions.

Source: the pages "Search" and "SearchExpression" of the SageMaker API reference.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import Unsupported, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.listing import cut, every
from salvia.resources.world import World

_STEP = 1000


async def search(world: World, call: Call) -> dict[str, Any]:
    """Results in the order of SortBy (LastModifiedTime by default), newest first unless asked otherwise."""
    params = call.params
    kind = world.kinds.get(params["Resource"])
    if kind is None:
        raise Unsupported(f"Search over {params['Resource']} is not served: {', '.join(world.kinds)} can be searched.")
    expression = params.get("SearchExpression", {})
    entities = [_entity(kind.view(record), record) for record in await _all(world, call, kind.noun)]
    found = [entity for entity in entities if _matches(entity, expression)]
    by = params.get("SortBy", "LastModifiedTime")
    found.sort(
        key=lambda entity: _sortable(next(_values(entity, by), None)), reverse=params.get("SortOrder") != "Ascending"
    )
    shown, token = cut(found, params)
    results = [{kind.noun: entity} for entity in shown]
    return {"Results": results, "NextToken": token, "TotalHits": {"Value": len(found), "Relation": "EqualTo"}}


async def _all(world: World, call: Call, noun: str) -> list[Record]:
    query = Query(noun, call.account, call.region, sort="key", limit=_STEP)
    return [record async for record in every(world.table, query)]


def _entity(view: dict[str, Any], record: Record) -> dict[str, Any]:
    return view | {"Tags": [{"Key": key, "Value": value} for key, value in record.tags.items()]}


def _matches(entity: Mapping[str, Any], expression: Mapping[str, Any]) -> bool:
    tests = [_passes(entity, filter_) for filter_ in expression.get("Filters", ())]
    tests += [_nested(entity, filters) for filters in expression.get("NestedFilters", ())]
    tests += [_matches(entity, part) for part in expression.get("SubExpressions", ())]
    return (any(tests) if expression.get("Operator") == "Or" else all(tests)) if tests else True


def _nested(entity: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    """Some one item of the list must satisfy every filter; the names repeat the list's own."""
    prefix = f"{filters['NestedPropertyName']}."
    items = _values(entity, filters["NestedPropertyName"])
    stripped = [filter_ | {"Name": filter_["Name"].removeprefix(prefix)} for filter_ in filters["Filters"]]
    return any(isinstance(item, Mapping) and all(_passes(item, filter_) for filter_ in stripped) for item in items)


def _passes(entity: Mapping[str, Any], filter_: Mapping[str, Any]) -> bool:
    values = list(_values(entity, filter_["Name"]))
    operator = filter_.get("Operator", "Equals")
    if operator == "Exists":
        return bool(values)
    if operator == "NotExists":
        return not values
    if "Value" not in filter_:
        raise ValidationError(f"The filter on {filter_['Name']} needs a Value for the operator {operator}.")
    if operator in _NEGATIONS:
        return not any(_OPERATORS[_NEGATIONS[operator]](value, filter_["Value"]) for value in values)
    return any(_OPERATORS[operator](value, filter_["Value"]) for value in values)


def _values(entity: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path; lists are looked into, and Tags.key and HyperParameters.name are looked up."""
    head, _, rest = path.partition(".")
    if isinstance(entity, list):
        for item in entity:
            yield from _values(item, path)
        return
    if not isinstance(entity, Mapping):
        return
    if head == "Tags" and rest:
        yield from (tag["Value"] for tag in entity.get("Tags", ()) if tag["Key"] == rest)
    elif head == "Metrics" and rest:
        yield from (item["Value"] for item in entity.get("FinalMetricDataList", ()) if item["MetricName"] == rest)
    elif entity.get(head) is not None:
        value = entity[head]
        if rest:
            yield from _values(value, rest)
        elif isinstance(value, list):
            yield from value
        else:
            yield value


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(have: Any, wanted: str) -> bool:
    number = _number(have) if isinstance(have, int | float) else None
    return number == _number(wanted) if number is not None else _text(have) == wanted


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Any, str], bool]:
    def test(have: Any, wanted: str) -> bool:
        left, right = _number(have), _number(wanted)
        return left is not None and right is not None and compare(left, right)

    return test


_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "Equals": _equal,
    "Contains": lambda have, wanted: wanted.lower() in _text(have).lower(),
    "In": lambda have, wanted: any(_equal(have, part) for part in wanted.split(",")),
    "GreaterThan": _ordered(lambda left, right: left > right),
    "GreaterThanOrEqualTo": _ordered(lambda left, right: left >= right),
    "LessThan": _ordered(lambda left, right: left < right),
    "LessThanOrEqualTo": _ordered(lambda left, right: left <= right),
}
_NEGATIONS = {"NotEquals": "Equals"}


def _sortable(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 0, 0.0, ""
    number = _number(value)
    return (1, number, "") if number is not None else (2, 0.0, _text(value))
