"""Hyperparameters of AWS's own algorithms: what is accepted, and what is said of the rest."""

import pytest

from salvia_algorithms.first_party.hyperparameters import Hyperparameter, final, table, validate
from salvia_algorithms.interval import Interval
from salvia_container.failure import UserError

ROWS = table(
    Hyperparameter("k", "integer", Interval(1), required=True),
    Hyperparameter("rate", "number", Interval(0, low_open=True), "0.5", auto=True),
    Hyperparameter("mode", "choice", ("random", "even"), "random"),
    Hyperparameter("bias", "flag", default="true"),
    Hyperparameter("scores", "list", ("msd", "ssd"), '["msd"]'),
    Hyperparameter("size", "integer", Interval(1), "auto", auto=True),
)


def refusal(**given: str) -> str:
    with pytest.raises(UserError) as caught:
        validate(ROWS, {"k": "2", **given})
    return str(caught.value)


def test_values_are_typed_and_defaults_fill_what_is_not_given() -> None:
    values = validate(ROWS, {"k": "3", "scores": '["msd", "ssd"]', "bias": "False"})

    assert {name: values[name] for name in ("k", "rate", "mode", "bias", "scores", "size")} == {
        "k": 3,
        "rate": 0.5,
        "mode": "random",
        "bias": False,
        "scores": ["msd", "ssd"],
        "size": None,
    }


def test_auto_leaves_the_choice_to_the_algorithm() -> None:
    assert validate(ROWS, {"k": "3", "rate": "auto"})["rate"] is None


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UserError) as caught:
        validate(ROWS, {"rate": "1"})

    assert str(caught.value) == (
        "No value(s) were specified for 'k' which are required hyperparameter(s) (caused by ValidationError)\n\n"
        "Caused by: 'k' is a required property"
    )


def test_what_does_not_exist_is_named() -> None:
    assert "Additional hyperparameters are not allowed ('mini_batch_siz' was unexpected)" in refusal(mini_batch_siz="1")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("k", "0", "an integer in [1, +inf)"),
        ("k", "1.5", "an integer"),
        ("k", "auto", "an integer"),
        ("k", "1_0", "an integer"),
        ("k", "", "an integer"),
        ("rate", "0", "a number in (0, +inf) or 'auto'"),
        ("rate", "nan", "a number"),
        ("rate", "inf", "a number"),
        ("rate", "abc", "a number"),
        ("mode", "odd", "one of 'random', 'even'"),
        ("bias", "1", "'true' or 'false'"),
        ("scores", "msd", "a JSON list of 'msd', 'ssd'"),
        ("scores", '["mse"]', "a JSON list of 'msd', 'ssd'"),
        ("scores", "[1]", "a JSON list of 'msd', 'ssd'"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_would_be_right(name: str, value: str, expected: str) -> None:
    message = refusal(**{name: value})

    assert message.startswith(f"{value!r} is not valid under any of the given schemas (caused by ValidationError)")
    assert f"schema['properties'][{name!r}]: {expected}" in message


def test_the_final_configuration_has_defaults_and_what_was_given() -> None:
    assert final(ROWS, {"k": "3", "mode": "even"}).items() >= {"k": "3", "mode": "even", "bias": "true"}.items()
