"""Deployment guardrails: how traffic moves from the fleet that serves to the one that shall, and what may be asked of it.

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
    step, wait = _step_and_wait(deployment, instances)
    if not wait:
        return 1.0, None
    done = int(seconds / wait)
    steps = math.ceil(1 / step - 1e-9)
    if deployment and _type(deployment) == "CANARY":
        steps = min(2, steps)
        share = step if done == 0 and steps == 2 else 1.0
    else:
        share = min(1.0, step * (done + 1))
    return share, None if done >= steps else wait * (done + 1) - seconds


def termination_wait(deployment: Mapping[str, Any] | None) -> float:
    """Seconds that the old fleet is kept after the traffic has moved."""
    return float(((deployment or {}).get("BlueGreenUpdatePolicy") or {}).get("TerminationWaitInSeconds") or 0)


def longest(deployment: Mapping[str, Any] | None) -> float:
    """Seconds that the whole may take."""
    policy = _policy(deployment)
    return float(policy.get("MaximumExecutionTimeoutInSeconds") or math.inf)


def _policy(deployment: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (deployment or {}).get("BlueGreenUpdatePolicy") or (deployment or {}).get("RollingUpdatePolicy") or {}


def _type(deployment: Mapping[str, Any]) -> str:
    routing = _policy(deployment).get("TrafficRoutingConfiguration")
    return str(routing["Type"]) if routing else "ROLLING"


def _step_and_wait(deployment: Mapping[str, Any] | None, instances: int) -> tuple[float, float]:
    policy = _policy(deployment)
    if not policy:
        return 1.0, 0.0
    routing = policy.get("TrafficRoutingConfiguration") or policy
    size = policy.get("MaximumBatchSize") or routing.get(STEP.get(routing.get("Type", ""), "")) or {}
    wait = float(routing.get("WaitIntervalInSeconds") or 0)
    if not size:
        return 1.0, wait
    part = size["Value"] / (100 if size["Type"] == "CAPACITY_PERCENT" else max(1, instances))
    return min(1.0, part), wait
