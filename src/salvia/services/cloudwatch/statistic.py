"""Statistics of the observations of one period: Average, p90, TM(10%:90%) and the others CloudWatch knows."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from salvia.ports.metrics import Observation
from salvia.services.cloudwatch.errors import InvalidValue

Statistic = Callable[[Sequence[Observation]], float | None]  # None: not available for these observations

_SHORT = re.compile(r"(p|tm|tc|ts|wm)(\d{1,3}(?:\.\d+)?)", re.IGNORECASE)
_RANGE = re.compile(r"(tm|tc|ts|wm|pr)\((-?\d+(?:\.\d+)?)?(%?):(?:(-?\d+(?:\.\d+)?)(%?))?\)", re.IGNORECASE)


class Weighted(NamedTuple):
    value: float
    times: float


def _count(found: Sequence[Observation]) -> float:
    return sum(each.sample_count for each in found)


def _sum(found: Sequence[Observation]) -> float:
    return sum(each.total for each in found)


SIMPLE: dict[str, Callable[[Sequence[Observation]], float]] = {
    "SampleCount": _count,
    "Sum": _sum,
    "Average": lambda found: _sum(found) / _count(found),
    "Minimum": lambda found: min(each.low for each in found),
    "Maximum": lambda found: max(each.high for each in found),
}


def statistic(name: str) -> Statistic:
    """By its name in the API. Raises InvalidValue when there is no such statistic."""
    if name in SIMPLE:
        return SIMPLE[name]
    if name.lower() == "iqm":
        return _of_values(lambda values: _trimmed("tm", values, *_percent_bounds(values, 25, 75)))
    if short := _SHORT.fullmatch(name):
        return _short(name, short[1].lower(), float(short[2]))
    if bounds := _RANGE.fullmatch(name):
        return _ranged(name, bounds)
    raise InvalidValue(f"The value {name} for parameter ExtendedStatistics is invalid.")


def _short(name: str, kind: str, percent: float) -> Statistic:
    if percent > 100:
        raise InvalidValue(f"The value {name} for parameter ExtendedStatistics is invalid.")
    if kind == "p":
        return _of_values(lambda values: _percentile(values, percent))
    return _of_values(lambda values: _trimmed(kind, values, *_percent_bounds(values, 0, percent)))


def _ranged(name: str, bounds: "re.Match[str]") -> Statistic:
    kind, low, low_percent, high, high_percent = bounds.groups()
    if low is None and high is None:
        raise InvalidValue(f"The value {name} for parameter ExtendedStatistics is invalid.")
    if low_percent or high_percent:
        first, last = float(low or 0), float(high or 100)
        if kind.lower() == "pr" or not 0 <= first < last <= 100:
            raise InvalidValue(f"The value {name} for parameter ExtendedStatistics is invalid.")
        return _of_values(lambda values: _trimmed(kind.lower(), values, *_percent_bounds(values, first, last)))
    least, most = float(low) if low else -float("inf"), float(high) if high else float("inf")
    return _of_values(lambda values: _trimmed(kind.lower(), values, *_value_bounds(values, least, most)))


def _of_values(compute: Callable[[list[Weighted]], float | None]) -> Statistic:
    """Only where every single value is known, and none is negative."""

    def of(found: Sequence[Observation]) -> float | None:
        if any(each.low != each.high or each.low < 0 for each in found):
            return None
        return compute(sorted(Weighted(each.low, each.sample_count) for each in found))

    return of


def _percentile(values: list[Weighted], percent: float) -> float:
    """Interpolated between the two values around the rank."""
    rank = percent / 100 * (sum(each.times for each in values) - 1)
    passed = 0.0
    for number, each in enumerate(values):
        passed += each.times
        if rank <= passed - 1 or number == len(values) - 1:
            return each.value
        if rank < passed:
            return each.value + (values[number + 1].value - each.value) * (rank - (passed - 1))
    return values[-1].value


def _percent_bounds(values: list[Weighted], low: float, high: float) -> tuple[float, float]:
    """Percentages as numbers of values, counted from the smallest."""
    total = sum(each.times for each in values)
    return low / 100 * total, high / 100 * total


def _value_bounds(values: list[Weighted], least: float, most: float) -> tuple[float, float]:
    """The values above `least`, up to and with `most`, as numbers of values."""
    return (
        sum(each.times for each in values if each.value <= least),
        sum(each.times for each in values if each.value <= most),
    )


def _trimmed(kind: str, values: list[Weighted], low: float, high: float) -> float | None:
    """Mean, count, sum, winsorized mean or share of what lies between the two ranks."""
    kept: list[Weighted] = []
    passed = 0.0
    for each in values:
        inside = min(passed + each.times, high) - max(passed, low)
        if inside > 0:
            kept.append(Weighted(each.value, inside))
        passed += each.times
    count = sum(each.times for each in kept)
    total = sum(each.value * each.times for each in kept)
    if kind == "tc":
        return count
    if kind == "pr":
        return 100 * count / passed
    if not kept:
        return None
    if kind == "ts":
        return total
    if kind == "wm":
        return (total + kept[0].value * low + kept[-1].value * (passed - high)) / passed
    return total / count
