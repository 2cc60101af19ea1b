"""The functions and operators of metric math, on numbers and time series."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from salvia.base.errors import ValidationError


@dataclass(frozen=True, slots=True)
class Series:
    """Values by time, one at most each `period` seconds from `start`."""

    points: Mapping[float, float]
    period: int
    start: float

    def over(self, points: Mapping[float, float]) -> "Series":
        return Series(points, self.period, self.start)

    @property
    def ordered(self) -> list[tuple[float, float]]:
        return sorted(self.points.items())


Value = float | Series | list[Series]


def _truth(compare: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: float(compare(left, right))


OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "<": _truth(operator.lt),
    "<=": _truth(operator.le),
    ">": _truth(operator.gt),
    ">=": _truth(operator.ge),
    "AND": _truth(lambda left, right: bool(left and right)),
    "OR": _truth(lambda left, right: bool(left or right)),
}


def combined(compute: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Point by point where both sides have one; a point that cannot be computed (1/0) is left out."""
    if isinstance(left, list):
        return [_one(combined(compute, each, right)) for each in left]
    if isinstance(right, list):
        return [_one(combined(compute, left, each)) for each in right]
    if isinstance(left, Series) and isinstance(right, Series):
        shared = [time for time in left.points if time in right.points]
        return left.over(_computed({time: (left.points[time], right.points[time]) for time in shared}, compute))
    if isinstance(left, Series):
        return left.over(_computed({time: (value, right) for time, value in left.points.items()}, compute))  # type: ignore[misc]
    if isinstance(right, Series):
        return right.over(_computed({time: (left, value) for time, value in right.points.items()}, compute))
    return _computed({0.0: (left, right)}, compute).get(0.0, math.nan)


def _computed(
    pairs: Mapping[float, tuple[float, float]], compute: Callable[[float, float], float]
) -> dict[float, float]:
    found: dict[float, float] = {}
    for time, (left, right) in pairs.items():
        try:
            value = compute(left, right)
        except (ArithmeticError, ValueError):
            continue
        if isinstance(value, float | int) and math.isfinite(value):
            found[time] = float(value)
    return found


def _one(value: Value) -> Series:
    if isinstance(value, Series):
        return value
    raise ValidationError("A time series is needed.")


def pointwise(compute: Callable[[float], float]) -> Callable[[Value], Value]:
    return lambda value: combined(lambda left, _: compute(left), value, 0.0)


def summary(compute: Callable[[Sequence[float]], float]) -> Callable[[Value], Value]:
    """Of one series, a number; of several, a series over the points that any of them has and that can be computed."""

    def summed_up(values: Sequence[float]) -> float:
        try:
            return compute(values)
        except OverflowError:
            return math.nan

    def of(value: Value) -> Value:
        if isinstance(value, Series):
            return summed_up(list(value.points.values())) if value.points else math.nan
        if isinstance(value, list) and value:
            times = sorted({time for each in value for time in each.points})
            rows = {time: [each.points[time] for each in value if time in each.points] for time in times}
            found = {time: summed_up(row) for time, row in rows.items()}
            return value[0].over({time: number for time, number in found.items() if math.isfinite(number)})
        raise ValidationError("A time series is needed.")

    return of


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def along(compute: Callable[[list[tuple[float, float]]], Mapping[float, float]]) -> Callable[[Value], Value]:
    """A function of the whole course of a series."""

    def of(value: Value) -> Value:
        if isinstance(value, list):
            return [each.over(compute(each.ordered)) for each in value]
        return _one(value).over(compute(_one(value).ordered))

    return of


def _running_sum(points: list[tuple[float, float]]) -> Mapping[float, float]:
    total, found = 0.0, {}
    for time, value in points:
        total += value
        found[time] = total
    return found


def filled(value: Value, by: Value | str) -> Value:
    """FILL: points where a period has none, with a number, the value before (REPEAT) or a line between (LINEAR)."""
    if isinstance(value, list):
        return [_one(filled(each, by)) for each in value]
    series = _one(value)
    known = series.ordered
    if not known:
        return series
    found = dict(known)
    for (time, left), (following, right) in pairwise(known):
        steps = round((following - time) / series.period)
        for step in range(1, steps):
            share = step / steps
            fill = {"REPEAT": left, "LINEAR": left + (right - left) * share}.get(by) if isinstance(by, str) else by
            found[time + step * series.period] = fill if isinstance(fill, float | int) else math.nan
    return series.over(found)


FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "ABS": pointwise(abs),
    "CEIL": pointwise(math.ceil),
    "FLOOR": pointwise(math.floor),
    "LOG": pointwise(math.log),
    "LOG10": pointwise(math.log10),
    "AVG": summary(lambda values: sum(values) / len(values)),
    "MAX": summary(max),
    "MIN": summary(min),
    "SUM": summary(sum),
    "STDDEV": summary(_deviation),
    "DIFF": along(lambda points: {time: value - before for (_, before), (time, value) in pairwise(points)}),
    "DIFF_TIME": along(lambda points: {time: time - earlier for (earlier, _), (time, _) in pairwise(points)}),
    "RATE": along(
        lambda points: {
            time: (value - before) / (time - earlier) for (earlier, before), (time, value) in pairwise(points)
        }
    ),
    "RUNNING_SUM": along(_running_sum),
}
