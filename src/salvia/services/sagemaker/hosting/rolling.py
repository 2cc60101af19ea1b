"""Rolling updates: the new fleet takes the old one's place batch by batch, and goes back the same way when it is no good.

A batch is started, gets its part of the traffic, is watched for WaitIntervalInSeconds, and then as much of the old fleet goes.
`status["_roll"]` says how far that is: `step`, the batch that is started or watched, from 1; `since`, when it was healthy. On the
way back: `why`, and `back`, the batch of the old fleet that is started again, from 1.
Source: "Use rolling deployments" in the SageMaker documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting.plan import Variant

_ALL = Fraction(1)
_NONE = Fraction(0)


def check(endpoint: Record, wish: Mapping[str, Any]) -> None:
    """Raises ValidationError when the policy's batches do not suit the fleet that shall come."""
    policy = _policy(wish)
    most = max((plans.count_of(endpoint, wish, variant) for variant in plans.variants_of(wish)), default=1)
    for member, limit in (("MaximumBatchSize", 50), ("RollbackMaximumBatchSize", 100)):
        size = policy.get(member)
        if not size:
            continue
        counted = size["Type"] == "INSTANCE_COUNT"
        least, largest = (ceil(most * 0.05), max(1, most * limit // 100)) if counted else (5, limit)
        if not least <= size["Value"] <= largest:
            of = f"{largest} of the {most} instances" if counted else f"{limit}% of the capacity"
            raise ValidationError(
                f"RollingUpdatePolicy: {member} must be between 5% and {limit}% of a variant's total instance count: "
                f"{size['Value']} is not between {least} and {of}."
            )


def begin(endpoint: Record) -> None:
    """Before a plan is first acted upon. The first deployment of an endpoint has nothing to take the place of."""
    if endpoint.status.get("_plan") and _policy(endpoint.spec["_wish"]):
        endpoint.status.setdefault("_roll", {"step": 1})


def is_rolling(endpoint: Record) -> bool:
    return "_roll" in endpoint.status


def goes_back(endpoint: Record) -> bool:
    return "back" in endpoint.status.get("_roll", {})


def advance(endpoint: Record, now: float) -> float | None:
    """The batch that was started is healthy: watch it, then go to the next. Seconds until then; None when it was the last."""
    roll, wish = endpoint.status["_roll"], endpoint.spec["_wish"]
    left = roll.setdefault("since", now) + _policy(wish)["WaitIntervalInSeconds"] - now
    if left > 0:
        return float(left)
    if roll["step"] >= _steps(endpoint):
        return None
    endpoint.status["_roll"] = {"step": roll["step"] + 1}
    return 0.0


def turn_back(endpoint: Record, why: str) -> None:
    endpoint.status["_roll"] |= {"back": 1, "why": why}


def retreat(endpoint: Record) -> bool:
    """The old fleet's batch is healthy: it gets its traffic, the next is started. Whether it was the last."""
    roll, wish = endpoint.status["_roll"], endpoint.spec["_wish"]
    if not any(_parts(endpoint, variant.name).restored for variant in plans.variants_of(wish)):
        return True
    roll["back"] += 1
    return False


def why(endpoint: Record) -> str:
    return str(endpoint.status["_roll"]["why"])


def wanted_of(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> int:
    """How many instances of the variant shall be there now; all of them while nothing rolls."""
    count = plans.count_of(endpoint, plan, variant)
    if not is_rolling(endpoint):
        return count
    parts = _parts(endpoint, variant.name)
    return ceil(count * (parts.new if _is_new(endpoint, plan) else parts.old))


def traffic_of(endpoint: Record, plan: Mapping[str, Any], variant: Variant) -> float:
    """What part of its variant's traffic the plan's instances get while it rolls."""
    traffic = _parts(endpoint, variant.name).traffic
    return float(traffic if _is_new(endpoint, plan) else _ALL - traffic)


# ------------------------------------------------------------- the smaller steps


@dataclass(frozen=True, slots=True)
class _Parts:
    """Of a variant: the part of its new and of its old instances that shall be there, and of its traffic that the new ones get.

    `restored`: on the way back, what the new instances have left once the batch of old ones is there.
    """

    new: Fraction
    old: Fraction
    traffic: Fraction
    restored: Fraction = _NONE


def _parts(endpoint: Record, name: str) -> _Parts:
    roll = endpoint.status["_roll"]
    step = roll["step"]
    ahead, behind = _reached(endpoint, name, step), _reached(endpoint, name, step - 1)
    if not goes_back(endpoint):
        return _Parts(new=ahead, old=_ALL - behind, traffic=ahead if "since" in roll else behind)
    batch = _back(endpoint, name)
    left, restored = (max(_NONE, behind - batch * number) for number in (roll["back"] - 1, roll["back"]))
    return _Parts(new=left, old=_ALL - restored, traffic=left, restored=restored)


def _reached(endpoint: Record, name: str, step: int) -> Fraction:
    """The part of a variant that has moved after so many batches. A variant that goes without a successor keeps pace with all."""
    count = _counts(endpoint).get(name)
    if count is None:
        return Fraction(step, _steps(endpoint))
    return min(_ALL, Fraction(_batch(_policy(endpoint.spec["_wish"])["MaximumBatchSize"], count) * step, count))


def _back(endpoint: Record, name: str) -> Fraction:
    count = _counts(endpoint).get(name)
    size = _policy(endpoint.spec["_wish"]).get("RollbackMaximumBatchSize")
    return _ALL if count is None or not size else Fraction(_batch(size, count), count)


def _steps(endpoint: Record) -> int:
    size = _policy(endpoint.spec["_wish"])["MaximumBatchSize"]
    return max(ceil(count / _batch(size, count)) for count in _counts(endpoint).values())


def _batch(size: Mapping[str, Any], count: int) -> int:
    """In instances of a variant that has `count`: never less than one, never more than there are."""
    asked = size["Value"] if size["Type"] == "INSTANCE_COUNT" else count * size["Value"] // 100
    return max(1, min(int(asked), count))


def _counts(endpoint: Record) -> dict[str, int]:
    wish = endpoint.spec["_wish"]
    return {variant.name: max(1, plans.count_of(endpoint, wish, variant)) for variant in plans.variants_of(wish)}


def _is_new(endpoint: Record, plan: Mapping[str, Any]) -> bool:
    return bool(plan["generation"] == endpoint.spec["_wish"]["generation"])


def _policy(wish: Mapping[str, Any]) -> Mapping[str, Any]:
    return (wish.get("deployment") or {}).get("RollingUpdatePolicy") or {}
