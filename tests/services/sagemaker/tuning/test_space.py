"""Ranges map the unit interval to hyperparameters and back."""

import math

import pytest

from salvia.services.sagemaker.tuning.space import Range, point_of, ranges_of, values_at
from tests.services.sagemaker.tuning.conftest import categories, ranges

UNITS = [number / 40 for number in range(41)]


@pytest.mark.parametrize(
    "each",
    [
        Range("x", "Continuous", -3.0, 5.0),
        Range("x", "Continuous", 1e-6, 10.0, "Logarithmic"),
        Range("x", "Continuous", 0.0, 0.999, "ReverseLogarithmic"),
        Range("x", "Integer", 2, 9),
        Range("x", "Integer", 1, 5000, "Logarithmic"),
        Range("x", "Categorical", values=("a", "b", "c")),
        Range("x", "Integer", 4, 4),
    ],
)
def test_a_value_stands_where_it_came_from(each: Range) -> None:
    for value in {each.value(unit) for unit in UNITS}:
        unit = each.unit(value)

        assert unit is not None
        assert each.value(unit) == value


def test_every_integer_is_as_likely_as_the_others() -> None:
    values = [Range("x", "Integer", 1, 4).value((number + 0.5) / 4000) for number in range(4000)]

    assert {value: values.count(value) for value in values} == {"1": 1000, "2": 1000, "3": 1000, "4": 1000}


def test_a_logarithmic_range_gives_each_power_the_same_room() -> None:
    each = Range("x", "Continuous", 0.01, 100.0, "Logarithmic")

    assert [round(math.log10(float(each.value(unit))), 6) for unit in (0, 0.25, 0.5, 0.75, 1)] == [-2, -1, 0, 1, 2]


def test_a_reverse_logarithmic_range_is_finest_near_one() -> None:
    each = Range("x", "Continuous", 0.0, 0.999, "ReverseLogarithmic")

    assert [round(1 - float(each.value(unit)), 6) for unit in (0, 1 / 3, 2 / 3, 1)] == [1, 0.1, 0.01, 0.001]


@pytest.mark.parametrize(
    ("kind", "low", "high", "scaling"),
    [
        ("Continuous", "0.01", "1", "Logarithmic"),
        ("Continuous", "0.1", "1", "Linear"),
        ("Continuous", "-1", "1000", "Linear"),
        ("Integer", "1", "999", "Linear"),
        ("Integer", "1", "1000", "Logarithmic"),
    ],
)
def test_auto_scaling_depends_on_how_wide_a_range_is(kind: str, low: str, high: str, scaling: str) -> None:
    assert ranges_of(ranges(kind, x=(low, high)))[0].scaling == scaling


def test_values_outside_the_ranges_stand_nowhere() -> None:
    given = ranges_of(ranges(x=("0", "1")) | categories(y=["a", "b"]))

    assert point_of(given, {"x": "0.25", "y": "b"}) == [0.25, 0.75]
    assert point_of(given, {"x": "2", "y": "b"}) is None
    assert point_of(given, {"x": "0.25", "y": "c"}) is None
    assert point_of(given, {"x": "0.25"}) is None
    assert point_of(given, {"x": "fast", "y": "a"}) is None


def test_a_surrogate_hears_of_steps_and_categories() -> None:
    given = ranges_of(ranges("Integer", n=("1", "3"), m=("1", "900")) | categories(y=["a", "b"]))

    assert [each.dimension() for each in given] == [
        {"steps": [pytest.approx(1 / 6), pytest.approx(0.5), pytest.approx(5 / 6)]},
        {},
        {"categories": 2},
    ]
    assert values_at(given, [0.5, 1.0, 0.1]) == {"n": "2", "m": "900", "y": "a"}
