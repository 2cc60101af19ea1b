"""Cutting time into periods: which observations belong to which data point."""

import math
from collections.abc import Iterable, Sequence

from salvia.ports.metrics import Observation
from salvia.services.cloudwatch.errors import InvalidValue

_DAY = 86_400.0
_SHORT = (1, 5, 10, 20, 30)


def checked_period(period: int) -> int:
    if period not in _SHORT and period % 60:
        raise InvalidValue("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    return period


def rounded_start(start: float, period: int, now: float) -> float:
    """Down to the minute; for older data to five minutes or the hour, for short periods to the period."""
    if period in _SHORT:
        return math.floor(start / period) * float(period)
    age = now - start
    step = 60.0 if age < 15 * _DAY else 300.0 if age < 63 * _DAY else 3600.0
    return math.floor(start / step) * step


def by_period(observations: Iterable[Observation], start: float, period: int) -> dict[float, Sequence[Observation]]:
    """The observations of each period that has any, by the period's start, in the order of time."""
    found: dict[float, list[Observation]] = {}
    for observation in observations:
        number = math.floor((observation.timestamp - start) / period)
        found.setdefault(start + number * period, []).append(observation)
    return dict(sorted(found.items()))
