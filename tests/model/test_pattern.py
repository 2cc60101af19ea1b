"""The models' Java expressions mean in Python what they mean to AWS."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.model.load import Models
from salvia.model.pattern import _LINEAR, UnknownSyntaxError, _compiled, matcher, property_ranges


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("[a-z]+", "abc", True),
        ("[a-z]+", "abc1", False),  # the whole string, though the pattern has no $
        ("^[a-z]+$", "abc\n", False),
        (".*", "a\nb", False),
        (".*", "a\u2028b", False),
        ("[\\s\\S]*", "a\nb", True),
        ("(?s).*", "a\nb", True),
        ("\\d+", "١٢", False),  # only ASCII digits are \d
        ("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)", "größe Ⅳ", True),
        ("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)", "größe#", False),
        ("([\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@]*)${1,256}", "a b", True),
        ("\\P{C}*", "a\u0007", False),
        ("\\P{C}*", "aé", True),
        ("[^\\p{C}]+", "é", True),
        ("\\p{LD}+", "é4", True),
        ("[\\p{Print}]+", "é", False),
        ("[\\w- ]*", "a-b c", True),
        ("[\\w-.~]+", "a.b", True),
        ("[\\w-.~]+", "a,b", False),
        ("[a-z||\\p{N}]+", "a|1", True),
        ("\\A[a-z]+\\z", "ab", True),
        ("[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*", "a\U0001f600\t", True),
        ("[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*", "a\n", False),
        ("[\\x{41}\\x{1F600}]+", "A\U0001f600", True),
        ("^(?i)(true|false)$", "TRUE", True),
        ("(?!(?i)AWS_)[a-zA-Z_][a-zA-Z0-9_]*", "aws_x", False),
        ("(?!(?i)AWS_)[a-z_]*", "Xaws", False),  # the flag ends with its group
        ("(?<year>\\d{4})", "2026", True),
        ("(?=.{1,4}$)[a-z]+", "abcde", False),
        ("[]a]+", "]a", True),
        ("[\\-_a]+", "-_a", True),
        ("(a)\\1", "aa", True),
    ],
)
def test_a_pattern_matches_as_in_java(pattern: str, text: str, fits: bool) -> None:
    assert bool(matcher(pattern)(text)) is fits


@pytest.mark.parametrize("pattern", ["[a-z&&[^b]]", "\\p{Klingon}", "[abc", "a{2}{3}", "\\"])
def test_syntax_that_is_not_understood_is_said_so(pattern: str) -> None:
    with pytest.raises(UnknownSyntaxError):
        matcher(pattern)


@given(st.text(alphabet="aZ9é \u00a0Ⅳ_-.#\n\t😀", max_size=12))
def test_an_ascii_string_matches_the_same_with_and_without_unicode_tables(text: str) -> None:
    pattern = "[^\\P{L}x]*|[\\p{Z}\\p{N}\\p{S}_.-]*"
    exact = _compiled(pattern, sys.maxunicode).fullmatch(text) is not None

    assert bool(matcher(pattern)(text)) is exact


def test_properties_are_those_of_unicode() -> None:
    ranges = property_ranges("Lu", sys.maxunicode)

    assert any(low <= ord("É") <= high for low, high in ranges)
    assert not any(low <= ord("é") <= high for low, high in ranges)


@pytest.mark.parametrize("original", _LINEAR)
@given(
    text=st.text(alphabet="a9/-_. \t*\x01:", max_size=9).map(lambda text: f"https://{text}")
    | st.text("a9-._/* \t", max_size=9)
)
def test_a_rewritten_pattern_keeps_its_language(original: str, text: str) -> None:
    slow = _compiled(original, 0x7F).fullmatch(text) is not None

    assert bool(matcher(original)(text)) is slow


SERVED = ("sagemaker", "sagemaker-runtime", "s3", "sts", "iam", "logs", "cloudwatch", "events", "sns", "glue", "athena")
PUMPS = ("a", "1", "-", "/", " ", ":", "a-", "a.", "a/", "a1", "\t")
STARTS = ("", "https://", "s3://", "arn:aws:iam::123456789012:role/", "arn:aws:sagemaker:us-west-2:123456789012:")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", SERVED)
def test_every_pattern_served_is_understood_and_cannot_stall(name: str) -> None:
    service = Models().service(name)
    for shape in map(service.shape, service.shape_names):
        if shape.type != "string" or shape.pattern is None:
            continue
        match = matcher(shape.pattern)
        for text in (start + pump * 40 for start in STARTS for pump in PUMPS):
            match(text[: int(shape.max or 200)] + "\0")
