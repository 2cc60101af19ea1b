"""Metrics themselves: PutMetricData and ListMetrics, and where their data is kept."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import Unsupported
from salvia.ports.metrics import MetricData, MetricKey, Observation
from salvia.resources.world import World
from salvia.services.cloudwatch.errors import InvalidCombination, InvalidValue, MissingParameter

_LARGEST = 2.0**360
_HOUR, _DAY = 3600.0, 86_400.0
_PAGE = 500


def metric_data(world: World) -> MetricData:
    return cast(MetricData, world.parts["metric_data"])


def metric_key(scope: Scope | Call, namespace: str, name: str, dimensions: Sequence[dict[str, str]]) -> MetricKey:
    pairs = tuple(sorted((each["Name"], each["Value"]) for each in dimensions))
    return MetricKey(scope.account, scope.region, namespace, name, pairs)


async def put_metric_data(world: World, call: Call) -> dict[str, Any]:
    """All data or none. Values keep the precision of their time, whatever StorageResolution says."""
    params = call.params
    if params.get("EntityMetricData"):
        raise Unsupported("EntityMetricData: metrics are not linked with entities here; send them as MetricData.")
    if not params.get("MetricData"):
        raise MissingParameter("The parameter MetricData is required.")
    if len(params["MetricData"]) > 1000:
        raise InvalidValue("The collection MetricData must not have a size greater than 1000.")
    found: list[tuple[MetricKey, Observation]] = []
    for number, datum in enumerate(params["MetricData"], 1):
        key = metric_key(call, params["Namespace"], datum["MetricName"], datum.get("Dimensions", ()))
        place = f"MetricData.member.{number}"
        found.extend((key, observation) for observation in _observations(datum, place, world.clock.now()))
    await metric_data(world).record(found)
    return {}


async def list_metrics(world: World, call: Call) -> dict[str, Any]:
    """Those that have had data in the last two weeks (three hours with RecentlyActive)."""
    params = call.params
    after = params.get("NextToken", "0")
    if not after.isdecimal() or len(after) > 18:
        raise InvalidValue("The value for parameter NextToken is invalid.")
    active = world.clock.now() - (3 * _HOUR if params.get("RecentlyActive") else 14 * _DAY)
    found: list[tuple[int, MetricKey]] = []
    number = int(after)
    while True:
        batch = await metric_data(world).metrics(
            call.account,
            call.region,
            namespace=params.get("Namespace", ""),
            name=params.get("MetricName", ""),
            active_since=active,
            after=number,
            limit=_PAGE + 1,
        )
        found.extend(each for each in batch if _has(each[1], params.get("Dimensions", ())))
        if len(found) > _PAGE or len(batch) <= _PAGE:
            break
        number = batch[-1][0]
    answer: dict[str, Any] = {"Metrics": [_described(key) for _, key in found[:_PAGE]]}
    return answer | ({"NextToken": str(found[_PAGE - 1][0])} if len(found) > _PAGE else {})


def _observations(datum: dict[str, Any], place: str, now: float) -> Iterator[Observation]:
    given = [name for name in ("Value", "StatisticValues", "Values") if name in datum]
    if len(given) > 1:
        raise InvalidCombination(
            f"The parameters {place}.{given[0]} and {place}.{given[1]} are mutually exclusive "
            "and you have specified both."
        )
    time, unit = _time(datum, place, now), datum.get("Unit", "None")
    if "Value" in datum:
        value = _checked(datum["Value"], f"{place}.Value")
        yield Observation(time, unit, 1.0, value, value, value)
    elif "StatisticValues" in datum:
        yield _statistic_set(datum["StatisticValues"], place, time, unit)
    elif datum.get("Values"):
        yield from _weighted(datum, place, time, unit)
    else:
        raise MissingParameter(f"At least one of the parameters {place}.Value, Values or StatisticValues is required.")


def _statistic_set(values: dict[str, float], place: str, time: float, unit: str) -> Observation:
    for name, value in values.items():
        _checked(value, f"{place}.StatisticValues.{name}")
    if values["SampleCount"] <= 0:
        raise InvalidValue(f"The parameter {place}.StatisticValues.SampleCount must be greater than 0.")
    if values["Maximum"] < values["Minimum"]:
        raise InvalidValue(f"The parameter {place}.StatisticValues.Maximum must not be less than Minimum.")
    return Observation(time, unit, values["SampleCount"], values["Sum"], values["Minimum"], values["Maximum"])


def _weighted(datum: dict[str, Any], place: str, time: float, unit: str) -> Iterator[Observation]:
    values = datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(values) > 150:
        raise InvalidValue(f"The collection {place}.Values must not have a size greater than 150.")
    if len(counts) != len(values):
        raise InvalidValue(f"The parameters {place}.Values and {place}.Counts must be of the same size.")
    for value, count in zip(values, counts, strict=True):
        _checked(value, f"{place}.Values")
        if _checked(count, f"{place}.Counts") <= 0:
            raise InvalidValue(f"The values of the parameter {place}.Counts must be greater than 0.")
        yield Observation(time, unit, count, value * count, value, value)


def _checked(value: float, place: str) -> float:
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise InvalidValue(f"The value {value} for parameter {place} is invalid.")
    return value


def _time(datum: dict[str, Any], place: str, now: float) -> float:
    time: float = datum.get("Timestamp", now)
    if time < now - 14 * _DAY:
        raise InvalidValue(f"The parameter {place}.Timestamp must specify a time within the past two weeks.")
    if time > now + 2 * _HOUR:
        raise InvalidValue(f"The parameter {place}.Timestamp must specify a time no more than two hours in the future.")
    return time


def _has(key: MetricKey, filters: Sequence[dict[str, str]]) -> bool:
    dimensions = dict(key.dimensions)
    return all(
        wanted["Name"] in dimensions and wanted.get("Value") in {None, dimensions[wanted["Name"]]} for wanted in filters
    )


def _described(key: MetricKey) -> dict[str, Any]:
    return {
        "Namespace": key.namespace,
        "MetricName": key.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in key.dimensions],
    }
