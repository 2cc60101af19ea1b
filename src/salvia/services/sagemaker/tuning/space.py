"""The space of a tuning job: every range maps the unit interval to hyperparameter values, which are strings, and back.

Source: the pages "Define Hyperparameter Ranges" and "ParameterRanges" of the SageMaker documentation. What `Auto` scaling
means is not documented; here it is Logarithmic when the smallest value is above 0 and the largest is 100 times as large
(1,000 times for integers), else Linear.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_AUTO_RATIO, _AUTO_RATIO_OF_INTEGERS = 100, 1000
_MOST_STEPS = 100  # integers with more values count as continuous
_MARGIN = 1e-12


@dataclass(frozen=True)
class Range:
    """One tunable hyperparameter. Categorical ones have `values`; the others lie between `low` and `high`."""

    name: str
    kind: str  # "Integer", "Continuous" or "Categorical"
    low: float = 0.0
    high: float = 0.0
    scaling: str = "Linear"
    values: tuple[str, ...] = ()

    def value(self, unit: float) -> str:
        """What stands at `unit` of the unit interval."""
        unit = min(max(unit, 0.0), 1.0)
        if self.kind == "Categorical":
            return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]
        if self.low == self.high:
            return self._text(self.low)
        low, high = self._bounds
        return self._text(min(max(self._unscaled(low + unit * (high - low)), self.low), self.high))

    def unit(self, text: str) -> float | None:
        """Where `text` stands; None when it is not in the range."""
        if self.kind == "Categorical":
            if text not in self.values:
                return None
            return (self.values.index(text) + 0.5) / len(self.values)
        try:
            number = float(text)
        except ValueError:
            return None
        if not self.low <= number <= self.high:
            return None
        low, high = self._bounds
        return (self._scaled(number) - low) / (high - low) if high > low else 0.5

    @cached_property
    def steps(self) -> tuple[float, ...] | None:
        """The only units that differ, for integers of few values."""
        if self.kind != "Integer" or self.high - self.low >= _MOST_STEPS:
            return None
        numbers = range(int(self.low), int(self.high) + 1)
        return tuple(unit for number in numbers if (unit := self.unit(str(number))) is not None)

    def dimension(self) -> dict[str, Any]:
        """As a surrogate is told of it: see ports/surrogate.py."""
        if self.kind == "Categorical":
            return {"categories": len(self.values)}
        return {"steps": list(self.steps)} if self.steps else {}

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        """Half a step is added at each end for integers, so that the first and the last are as likely as the others."""
        half = 0.5 - _MARGIN if self.kind == "Integer" else 0.0
        low = self.low - half
        if self.scaling == "Logarithmic":
            low = max(low, self.low / 2) if self.kind == "Integer" else low
        return self._scaled(low), self._scaled(self.high + half)

    def _scaled(self, number: float) -> float:
        if self.scaling == "Logarithmic":
            return math.log(number)
        return -math.log1p(-number) if self.scaling == "ReverseLogarithmic" else number

    def _unscaled(self, number: float) -> float:
        if self.scaling == "Logarithmic":
            return math.exp(number)
        return -math.expm1(-number) if self.scaling == "ReverseLogarithmic" else number

    def _text(self, number: float) -> str:
        return str(round(number)) if self.kind == "Integer" else repr(float(number))


def ranges_of(document: Mapping[str, Any]) -> tuple[Range, ...]:
    """The ranges of a ParameterRanges, in the order integers, continuous, categorical."""
    numeric = [
        (kind, each) for kind in ("Integer", "Continuous") for each in document.get(f"{kind}ParameterRanges", ())
    ]
    categorical = [
        Range(each["Name"], "Categorical", values=tuple(each["Values"]))
        for each in document.get("CategoricalParameterRanges", ())
    ]
    return (*(_numeric(kind, each) for kind, each in numeric), *categorical)


def _numeric(kind: str, document: Mapping[str, Any]) -> Range:
    low, high = float(document["MinValue"]), float(document["MaxValue"])
    scaling = document.get("ScalingType", "Auto")
    if scaling == "Auto":
        ratio = _AUTO_RATIO_OF_INTEGERS if kind == "Integer" else _AUTO_RATIO
        scaling = "Logarithmic" if low > 0 and high / low >= ratio else "Linear"
    return Range(document["Name"], kind, low, high, scaling)


def values_at(ranges: Sequence[Range], point: Sequence[float]) -> dict[str, str]:
    """Hyperparameters at a point of the unit cube."""
    return {each.name: each.value(unit) for each, unit in zip(ranges, point, strict=True)}


def point_of(ranges: Sequence[Range], values: Mapping[str, str]) -> list[float] | None:
    """Where hyperparameters stand in the unit cube; None when one is missing or outside its range."""
    units = [each.unit(values[each.name]) if each.name in values else None for each in ranges]
    return None if None in units else [unit for unit in units if unit is not None]
