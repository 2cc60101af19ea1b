"""How many instances a policy wants: step adjustments, and keeping a metric near a target."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from salvia.base.errors import ValidationError

Step = Mapping[str, Any]
_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
}


def tracked(current: int, metric: float, target: float, *, out: bool) -> int:
    """So many that each has `target` of a metric that is now `metric` for each of `current`."""
    wanted = math.ceil(max(1, current) * metric / target - 1e-9)
    return max(wanted, current + 1) if out else min(wanted, current)


def stepped(config: Mapping[str, Any], current: int, values: Sequence[float], threshold: float) -> int:
    """What the step for the breach says: `values` are the data points that the alarm rests on."""
    beyond = _AGGREGATES[config.get("MetricAggregationType", "Average")](values) - threshold if values else 0.0
    step = next((step for step in config["StepAdjustments"] if _holds(step, beyond)), None)
    if step is None:
        return current
    adjustment = step["ScalingAdjustment"]
    if config["AdjustmentType"] == "ExactCapacity":
        return max(0, int(adjustment))
    if config["AdjustmentType"] == "PercentChangeInCapacity":
        change = current * adjustment / 100
        # Beyond one instance it is rounded towards zero; below one, to one.
        adjustment = math.trunc(change) if abs(change) >= 1 else (change > 0) - (change < 0)
        least = config.get("MinAdjustmentMagnitude", 0)
        if adjustment and abs(adjustment) < least:
            adjustment = int(math.copysign(least, adjustment))
    return max(0, current + int(adjustment))


def check_steps(config: Mapping[str, Any]) -> None:
    """Raises ValidationError for steps that overlap, or leave a gap."""
    if not config.get("AdjustmentType") or not config.get("StepAdjustments"):
        raise ValidationError("A step scaling policy needs an AdjustmentType and StepAdjustments.")
    if config.get("Cooldown", 0) < 0:
        raise ValidationError("Cooldown must not be negative.")
    steps = sorted(config["StepAdjustments"], key=_low)
    for step in steps:
        if _low(step) >= _high(step):
            raise ValidationError(
                "A step's MetricIntervalUpperBound must be greater than its MetricIntervalLowerBound."
            )
        if config["AdjustmentType"] == "ExactCapacity" and step["ScalingAdjustment"] < 0:
            raise ValidationError("ScalingAdjustment must not be negative with ExactCapacity.")
    for step, following in pairwise(steps):
        if _high(step) != _low(following):
            raise ValidationError("StepAdjustment intervals can't overlap or have a gap between them.")


def _low(step: Step) -> float:
    return float(step.get("MetricIntervalLowerBound", -math.inf))


def _high(step: Step) -> float:
    return float(step.get("MetricIntervalUpperBound", math.inf))


def _holds(step: Step, beyond: float) -> bool:
    """Above the threshold the lower bound belongs to the step, below it the upper."""
    if beyond >= 0:
        return _low(step) <= beyond < _high(step)
    return _low(step) < beyond <= _high(step)
