"""Deployment guardrails: how traffic moves from the fleet that serves to the one that shall, when all of it is there.

Source: "Deployment guardrails for updating models in production" in the SageMaker documentation.
"""

import math
from collections.abc import Mapping
from typing import Any

from salvia.base.errors import ValidationError

STEP = {"ALL_AT_ONCE": "", "CANARY": "CanarySize", "LINEAR": "LinearStepSize"}


def check(deployment: Mapping[str, Any] | None) -> None:
    """Raises ValidationError for a DeploymentConfig that contradicts itself."""
    if not deployment:
        return
    blue_green, rolling = deployment.get("BlueGreenUpdatePolicy"), deployment.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise ValidationError("BlueGreenUpdatePolicy and RollingUpdatePolicy cannot both be specified.")
    if blue_green:
        routing = blue_green["TrafficRoutingConfiguration"]
        size = STEP[routing["Type"]]
        if size and not routing.get(size):
            raise ValidationError(f"TrafficRoutingConfiguration of type {routing['Type']} needs {size}.")
        if size and routing[size]["Type"] == "CAPACITY_PERCENT" and routing[size]["Value"] > 50:
            raise ValidationError(f"{size} must be at most 50 percent of the capacity.")


def share_at(deployment: Mapping[str, Any] | None, instances: int, seconds: float) -> tuple[float, float | None]:
    """What part of the traffic the new fleet gets, and in how many seconds that changes; None once it has all for good.

    `instances` is the size of the new fleet, `seconds` the time since it was healthy.
    """
    kind, step, wait = _step_and_wait(deployment, instances)
    if not wait:
        return 1.0, None
    done = int(seconds / wait)
    steps = math.ceil(1 / step - 1e-9)
    if kind == "CANARY":
        steps = min(2, steps)
        share = step if done == 0 and steps == 2 else 1.0
    else:
        share = min(1.0, step * (done + 1))
    return share, None if done >= steps else wait * (done + 1) - seconds


def termination_wait(deployment: Mapping[str, Any] | None) -> float:
    """Seconds that the old fleet is kept after the traffic has moved."""
    return float(_blue_green(deployment).get("TerminationWaitInSeconds") or 0)


def longest(deployment: Mapping[str, Any] | None) -> float:
    """Seconds that the whole may take."""
    policy = _blue_green(deployment) or (deployment or {}).get("RollingUpdatePolicy") or {}
    return float(policy.get("MaximumExecutionTimeoutInSeconds") or math.inf)


def _blue_green(deployment: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (deployment or {}).get("BlueGreenUpdatePolicy") or {}


def _step_and_wait(deployment: Mapping[str, Any] | None, instances: int) -> tuple[str, float, float]:
    routing = _blue_green(deployment).get("TrafficRoutingConfiguration") or {"Type": "ALL_AT_ONCE"}
    size = routing.get(STEP[routing["Type"]])
    wait = float(routing.get("WaitIntervalInSeconds") or 0)
    if not size:
        return routing["Type"], 1.0, wait
    part = size["Value"] / (100 if size["Type"] == "CAPACITY_PERCENT" else max(1, instances))
    return routing["Type"], min(1.0, part), wait
