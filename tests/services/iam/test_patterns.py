"""Wildcards and variables of policies."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.services.iam.patterns import Pattern, glob

texts = st.text(alphabet="ab*?/:", max_size=12)


@given(pattern=texts, value=st.text(alphabet="ab/:", max_size=12))
def test_a_glob_says_what_a_regular_expression_says(pattern: str, value: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)

    assert glob(pattern)(value) == bool(re.fullmatch(expression, value, re.DOTALL))


def test_many_stars_do_not_make_the_server_slow() -> None:
    start = time.perf_counter()

    assert not glob("*a" * 200 + "b")("a" * 5000)
    assert not glob("*a?" * 200 + "b")("a" * 5000)
    assert time.perf_counter() - start < 0.5


@given(name=st.text(min_size=1, max_size=10))
def test_the_value_of_a_variable_is_never_a_wildcard(name: str) -> None:
    pattern = Pattern("home/${aws:username}/*", variables=True)
    context = {"aws:username": [name]}

    assert pattern.matches(f"home/{name}/x", context)
    assert not pattern.matches(f"home/x{name}/y", context)


@pytest.mark.parametrize(
    ("text", "value", "matches"),
    [
        ("${aws:username}", "ann", True),
        ("${AWS:UserName}", "ann", True),
        ("${aws:unknown}", "ann", False),
        ("${aws:unknown, 'ann'}", "ann", True),
        ("a${*}b", "a*b", True),
        ("a${*}b", "axb", False),
        ("a${?}b", "a?b", True),
        ("${$}{x}", "${x}", True),
    ],
)
def test_variables_are_filled_in(text: str, value: str, *, matches: bool) -> None:
    assert Pattern(text, variables=True).matches(value, {"aws:username": ["ann"]}) is matches


def test_old_policies_know_no_variables() -> None:
    assert not Pattern("${aws:username}", variables=False).matches("ann", {"aws:username": ["ann"]})
