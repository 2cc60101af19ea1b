"""Answers as bytes: many numbers are written faster than Python writes them, and to the same digits."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia_algorithms.xgboost.serving import answers

FLOATS = st.lists(st.floats(width=32), min_size=65, max_size=80)
ODD = [
    0.0,
    -0.0,
    1.0,
    -3.0,
    9.999e-5,
    1e-4,
    1e-7,
    12345678.9,
    9999999.5,
    1e7,
    1e16,
    3e38,
    1e-45,
    float("nan"),
    float("inf"),
]


@given(FLOATS)
def test_many_numbers_have_the_digits_of_pythons_own(values: list[float]) -> None:
    scores = np.array(values, np.float32)

    assert answers.encode(scores, answers.CSV, lines=False).decode().split(",") == [repr(v) for v in scores.tolist()]


@pytest.mark.parametrize("count", [1, len(ODD), 200])
def test_odd_numbers_do_too_and_stand_where_they_stood(count: int) -> None:
    scores = np.resize(np.array([0.25, *ODD, -0.1], np.float32), count)

    assert answers.encode(scores, answers.CSV, lines=False).decode() == ",".join(map(repr, scores.tolist()))
    assert answers.encode(scores, answers.CSV, lines=True).decode() == "".join(f"{v!r}\n" for v in scores.tolist())


def test_scores_of_classes_are_lists() -> None:
    scores = np.full((100, 3), 0.25, np.float32)

    assert answers.encode(scores, answers.CSV, lines=True) == b"[0.25, 0.25, 0.25]\n" * 100
    assert json.loads(answers.encode(scores, answers.JSON, lines=True))["predictions"][99] == {"score": [0.25] * 3}
