"""Filter patterns accept what CloudWatch Logs' accept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.services.logs.patterns import message_test
from salvia.services.logs.patterns.errors import InvalidPatternError
from salvia.services.logs.patterns.regex import LinearRegex

EVENT = (
    '{"name": "Update", "n": 5, "f": 1.5, "on": true, "none": null, "list": [{"a": 1}, {"a": 7}], "d": {"x y": "z"}}'
)
ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "accepted"),
    [
        ("", "anything", True),
        ('" "', "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR here", "here is an ERROR", True),
        ("ERROR there", "an ERROR here", False),
        ('"ERROR here"', "an ERROR here", True),
        ('"ERROR here"', "here ERROR", False),
        ("ERROR -here", "an ERROR here", False),
        ('ERROR -"not here"', "an ERROR here", True),
        ("?ERROR ?WARN", "a WARN", True),
        ("?ERROR ?WARN", "an INFO", False),
        ("?ERROR INFO", "an INFO", True),
        (r"%4\d{2}%", "status 404", True),
        (r"%^4\d{2}%", "status 404", False),
        ('{ $.name = "Update" }', EVENT, True),
        ('{ $.name = "Up*" }', EVENT, True),
        ('{ $.name != "Up*" }', EVENT, False),
        ('{ $.missing != "x" }', EVENT, False),
        ("{ $.n = 5 }", EVENT, True),
        ("{ $.n > 4 && $.f <= 1.5 }", EVENT, True),
        ("{ ($.n > 5 || $.f = 1.5) && $.on IS TRUE }", EVENT, True),
        ("{ $.on IS FALSE }", EVENT, False),
        ("{ $.none IS NULL }", EVENT, True),
        ("{ $.nothing NOT EXISTS }", EVENT, True),
        ("{ $.n NOT EXISTS }", EVENT, False),
        ("{ $.list[1].a = 7 }", EVENT, True),
        ("{ $.list[*].a = 1 }", EVENT, True),
        ("{ $.list[2].a = 1 }", EVENT, False),
        ("{ $.d['x y'] = z }", EVENT, True),
        ("{ $.name = %^Up.*e$% }", EVENT, True),
        ("{ $.n = 5 }", "not json 5", False),
        ("{ $.n = 5 }", '{"n": 5', False),
        ("[ip, id, user, time, request, status, size]", ACCESS, True),
        ("[ip, id, user, time, request, status]", ACCESS, False),
        ("[..., status, size]", ACCESS, True),
        ("[ip, ..., status = 4*, size > 1000]", ACCESS, True),
        ("[ip, ..., status = 5*, size]", ACCESS, False),
        ('[ip, id, user, time, request = "*index*", ...]', ACCESS, True),
        ("[ip, id, user = frank || user = joe, ...]", ACCESS, True),
        ("[w1 = ERROR || w1 = %WARN(ING)?%, w2]", "WARNING disk", True),
        ("{ $.a > 1 }", '{"a": ' + "9" * 4000 + "}", True),
    ],
)
def test_a_pattern_accepts(pattern: str, message: str, accepted: bool) -> None:
    assert message_test(pattern)(message) is accepted


@pytest.mark.parametrize(
    "pattern",
    [
        '"open',
        "a-b",
        "{ $.x = 1",
        "{ $.x }",
        "{ x y z }",
        "[a, ..., ...]",
        "[a",
        "%(%",
        r"%(a)\1%",
        "{ $.x > abc }",
        "{" + "(" * 400 + "$.x = 1" + ")" * 400 + "}",
        "{ ($.x = 1 }",
        "{ $.x = 1 ) }",
        "{ $.x IS 4 }",
        "[= 4]",
        "%a{1000}{1000}%",
        "%(){999999999}%",
        "%(){999999999,}%",
    ],
)
def test_what_is_no_pattern_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="Invalid filter pattern"):
        message_test(pattern)


@given(
    expression=st.recursive(
        st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", "^", "$", "a{2}", "b{1,3}", ""]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
            inner.map(lambda one: f"({one})*"),
            inner.map(lambda one: f"({one})+"),
            inner.map(lambda one: f"(?:{one})?"),
        ),
        max_leaves=8,
    ),
    text=st.text("ab1", max_size=12),
)
def test_expressions_match_what_pythons_do(expression: str, text: str) -> None:
    assert LinearRegex(expression).search(text) == (re.search(expression, text) is not None)


def test_no_expression_takes_long() -> None:
    assert not LinearRegex(r"^(a+)+$").search("a" * 5_000 + "!")
