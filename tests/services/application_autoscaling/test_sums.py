"""How many instances a policy wants."""

from typing import Any

import pytest

from salvia.base.errors import ValidationError
from salvia.services.application_autoscaling.sums import check_steps, stepped, tracked


@pytest.mark.parametrize(
    ("current", "metric", "out", "wanted"),
    [
        (1, 101.0, True, 2),
        (2, 250.0, True, 5),
        (0, 1.0, True, 1),
        (4, 20.0, False, 1),
        (2, 89.0, False, 2),
        (3, 0.0, False, 0),
    ],
)
def test_tracking_gives_each_instance_its_target(current: int, metric: float, out: bool, wanted: int) -> None:
    assert tracked(current, metric, 100.0, out=out) == wanted


def steps(kind: str = "ChangeInCapacity", **more: Any) -> dict[str, Any]:
    return {
        "AdjustmentType": kind,
        "StepAdjustments": [
            {"MetricIntervalUpperBound": -10.0, "ScalingAdjustment": -50},
            {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 10},
            {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 30},
        ],
    } | more


@pytest.mark.parametrize(("value", "wanted"), [(39.0, 0), (40.0, 0), (41.0, 14), (59.0, 14), (60.0, 34), (99.0, 34)])
def test_the_step_is_that_of_the_breach(value: float, wanted: int) -> None:
    assert stepped(steps(), 4, [value], 50.0) == wanted


@pytest.mark.parametrize(
    ("current", "value", "wanted"),
    [(10, 55.0, 11), (19, 55.0, 20), (3, 55.0, 4), (10, 70.0, 13), (9, 30.0, 5), (1, 30.0, 0)],
)
def test_percentages_are_rounded_towards_zero_but_change_something(current: int, value: float, wanted: int) -> None:
    assert stepped(steps("PercentChangeInCapacity"), current, [value], 50.0) == wanted


def test_the_least_magnitude_and_the_aggregation_count() -> None:
    percent = steps("PercentChangeInCapacity", MinAdjustmentMagnitude=3)

    assert stepped(percent, 10, [55.0], 50.0) == 13
    assert stepped(steps("ExactCapacity"), 4, [55.0], 50.0) == 10
    assert stepped(steps(MetricAggregationType="Maximum"), 4, [55.0, 70.0], 50.0) == 34
    assert stepped(steps(MetricAggregationType="Minimum"), 4, [55.0, 70.0], 50.0) == 14


@pytest.mark.parametrize(
    "bounds",
    [
        [(None, 5.0), (4.0, None)],
        [(None, 4.0), (5.0, None)],
        [(5.0, 5.0)],
        [],
    ],
)
def test_steps_that_overlap_or_leave_a_gap_are_refused(bounds: list[tuple[float | None, float | None]]) -> None:
    made = [
        {"ScalingAdjustment": 1}
        | ({} if low is None else {"MetricIntervalLowerBound": low})
        | ({} if high is None else {"MetricIntervalUpperBound": high})
        for low, high in bounds
    ]

    with pytest.raises(ValidationError):
        check_steps({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": made})
