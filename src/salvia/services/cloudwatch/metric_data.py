"""GetMetricData: many metrics and expressions over them, as series."""

import re
from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import ValidationError
from salvia.resources.world import World
from salvia.services.cloudwatch.errors import InvalidValue
from salvia.services.cloudwatch.math_functions import Series, Value
from salvia.services.cloudwatch.metric_math import Expression
from salvia.services.cloudwatch.metrics import metric_data, metric_key
from salvia.services.cloudwatch.periods import by_period, checked_period, rounded_start
from salvia.services.cloudwatch.statistic import statistic

_MOST_QUERIES = 500
_MOST_POINTS = 100_800
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


async def get_metric_data(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    queries = {query["Id"]: query for query in params["MetricDataQueries"]}
    if len(queries) < len(params["MetricDataQueries"]):
        raise ValidationError("The values of Id must be different.")
    check(queries)
    if params["StartTime"] >= params["EndTime"]:
        raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
    most = params.get("MaxDatapoints", _MOST_POINTS)
    if not 0 < most <= _MOST_POINTS:
        raise InvalidValue(f"The parameter MaxDatapoints must be between 1 and {_MOST_POINTS}.")
    token = params.get("NextToken", "0")
    if not token.isdecimal() or len(token) > 18:
        raise InvalidValue("The value for parameter NextToken is invalid.")
    results = [
        _result(query, value, ascending=params.get("ScanBy") == "TimestampAscending")
        for query, value in (
            await values(world, Scope(call.account, call.region), queries, params["StartTime"], params["EndTime"])
        ).values()
        if query.get("ReturnData", True)
    ]
    return _page(results, int(token), most)


async def values(
    world: World, scope: Scope, queries: Mapping[str, dict[str, Any]], start: float, end: float
) -> dict[str, tuple[dict[str, Any], Series]]:
    """Each query's series from `start` to `end`, in seconds since the epoch; an expression after those that it names.

    Raises an AwsError for what cannot be computed.
    """
    found: dict[str, Value] = {}
    waiting: dict[str, Expression] = {}
    for name, query in queries.items():
        if "MetricStat" in query:
            found[name] = await _series(world, scope, query["MetricStat"], start, end)
        else:
            waiting[name] = Expression(query["Expression"])
    metrics = {name: value for name, value in found.items() if isinstance(value, Series)}
    while waiting:
        ready = [name for name, expression in waiting.items() if expression.names <= found.keys()]
        if not ready:
            missing = {each for expression in waiting.values() for each in expression.names} - queries.keys()
            why = f"there is no query with the id {min(missing)}" if missing else "they need each other"
            raise ValidationError(f"Error in expression '{min(waiting)}': {why}.")
        for name in ready:
            found[name] = waiting.pop(name).evaluate(found, metrics)
    return {name: (query, _as_series(name, found[name])) for name, query in queries.items()}


async def _series(world: World, scope: Scope, wanted: dict[str, Any], start: float, end: float) -> Series:
    metric, period = wanted["Metric"], checked_period(wanted["Period"])
    if not metric.get("Namespace") or not metric.get("MetricName"):
        raise ValidationError("A Metric needs a Namespace and a MetricName.")
    compute = statistic(wanted["Stat"])
    start = rounded_start(start, period, world.clock.now())
    if (end - start) / period > _MOST_POINTS:
        raise ValidationError(
            f"A series has at most {_MOST_POINTS} data points: make the time shorter or the period longer."
        )
    key = metric_key(scope, metric["Namespace"], metric["MetricName"], metric.get("Dimensions", ()))
    observations = await metric_data(world).observations(key, start, end)
    same = [each for each in observations if wanted.get("Unit") in {None, each.unit}]
    points = {time: compute(found) for time, found in by_period(same, start, period).items()}
    return Series({time: value for time, value in points.items() if value is not None}, period, start)


def check(queries: Mapping[str, dict[str, Any]]) -> None:
    """Raises ValidationError for queries, by Id, that are not well formed."""
    if len(queries) > _MOST_QUERIES:
        raise ValidationError(f"The collection MetricDataQueries must not have a size greater than {_MOST_QUERIES}.")
    for name, query in queries.items():
        if not _ID.fullmatch(name):
            raise ValidationError(f"The value {name} for parameter Id is not a small letter, then letters and digits.")
        if ("MetricStat" in query) == ("Expression" in query):
            raise ValidationError(f"The query {name} needs either a MetricStat or an Expression.")


def _as_series(name: str, value: Value) -> Series:
    if isinstance(value, Series):
        return value
    raise ValidationError(f"Error in expression '{name}': its result is not one time series.")


def _result(query: dict[str, Any], series: Series, *, ascending: bool) -> dict[str, Any]:
    label = query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
    times = sorted(series.points, reverse=not ascending)
    return {
        "Id": query["Id"],
        "Label": query.get("Label", label),
        "Timestamps": times,
        "Values": [series.points[time] for time in times],
        "StatusCode": "Complete",
    }


def _page(results: list[dict[str, Any]], first: int, most: int) -> dict[str, Any]:
    """The points number `first` to `first + most`, counted through all results; a result that goes on is partial."""
    shown: list[dict[str, Any]] = []
    last = first + most
    position = 0
    for result in results:
        size = len(result["Timestamps"])
        low, high = max(first - position, 0), min(last - position, size)
        if high > low or (first == 0 and size == 0):
            status = "Complete" if high == size else "PartialData"
            piece = {name: result[name][low:high] for name in ("Timestamps", "Values")}
            shown.append(result | piece | {"StatusCode": status})
        position += size
    answer: dict[str, Any] = {"MetricDataResults": shown, "Messages": []}
    return answer | ({"NextToken": str(last)} if position > last else {})
