"""Condition operators, each with what it holds of present, absent and several values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.services.iam.conditions import parse_conditions

CONTEXT = {
    "aws:username": ("ann",),
    "aws:sourceip": ("10.1.2.3",),
    "aws:currenttime": ("2026-01-02T03:04:05Z",),
    "aws:tagkeys": ("team", "cost"),
    "s3:max-keys": ("100",),
    "aws:securetransport": ("true",),
    "aws:principalarn": ("arn:aws:iam::123456789012:role/team/R",),
    "s3:prefix": ("",),
    "x:bytes": ("aGVsbG8=",),
}


def holds(operator: str, key: str, values: Any) -> bool:
    return all(one.holds(CONTEXT) for one in parse_conditions({operator: {key: values}}, variables=True))


@pytest.mark.parametrize(
    ("operator", "key", "values"),
    [
        ("StringEquals", "aws:username", "ann"),
        ("StringEquals", "AWS:USERNAME", ["bob", "ann"]),
        ("StringEquals", "aws:username", "${aws:username}"),
        ("StringEquals", "s3:prefix", ""),
        ("StringNotEquals", "aws:username", ["bob", "eve"]),
        ("StringNotEquals", "aws:absent", "x"),
        ("StringEqualsIgnoreCase", "aws:username", "ANN"),
        ("StringNotEqualsIgnoreCase", "aws:username", "BOB"),
        ("StringLike", "aws:username", "a*"),
        ("StringNotLike", "aws:username", "b*"),
        ("StringEqualsIfExists", "aws:absent", "x"),
        ("NumericEquals", "s3:max-keys", 100),
        ("NumericLessThan", "s3:max-keys", "100.5"),
        ("NumericLessThanEquals", "s3:max-keys", "100"),
        ("NumericGreaterThan", "s3:max-keys", "99"),
        ("NumericNotEquals", "s3:max-keys", "1"),
        ("DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z"),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-01"),
        ("DateGreaterThanEquals", "aws:CurrentTime", "1700000000"),
        ("Bool", "aws:SecureTransport", "true"),
        ("Bool", "aws:SecureTransport", True),
        ("Null", "aws:username", "false"),
        ("Null", "aws:absent", True),
        ("IpAddress", "aws:SourceIp", ["192.168.0.0/16", "10.0.0.0/8"]),
        ("IpAddress", "aws:SourceIp", "10.1.2.3"),
        ("NotIpAddress", "aws:SourceIp", "192.168.0.0/16"),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/team/*"),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:role/*"),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:user/*"),
        ("BinaryEquals", "x:bytes", "aGVsbG8="),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team", "cost", "owner"]),
        ("ForAllValues:StringEquals", "aws:absent", "x"),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["cost", "owner"]),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["team"]),
    ],
)
def test_it_holds(operator: str, key: str, values: Any) -> None:
    assert holds(operator, key, values)


@pytest.mark.parametrize(
    ("operator", "key", "values"),
    [
        ("StringEquals", "aws:username", "ANN"),
        ("StringEquals", "aws:username", "a*"),
        ("StringEquals", "aws:absent", "x"),
        ("StringEquals", "aws:username", "${aws:absent}"),
        ("StringNotEquals", "aws:username", ["bob", "ann"]),
        ("StringLike", "aws:username", "b*"),
        ("StringEqualsIfExists", "aws:username", "bob"),
        ("NumericEquals", "aws:username", "1"),
        ("NumericGreaterThan", "s3:max-keys", "100"),
        ("DateLessThan", "aws:CurrentTime", "2026-01-02T03:04:05Z"),
        ("DateLessThan", "aws:username", "2026-01-02T03:04:05Z"),
        ("Bool", "aws:SecureTransport", "false"),
        ("Bool", "aws:absent", "false"),
        ("Null", "aws:username", "true"),
        ("Null", "aws:absent", "false"),
        ("IpAddress", "aws:SourceIp", "11.0.0.0/8"),
        ("IpAddress", "aws:username", "10.0.0.0/8"),
        ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:*/R"),
        ("BinaryEquals", "x:bytes", "aGVsbG9v"),
        ("BinaryEquals", "x:bytes", "é"),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team"]),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["owner"]),
        ("ForAnyValue:StringEquals", "aws:absent", "x"),
        ("ForAllValues:StringNotEquals", "aws:TagKeys", ["team"]),
    ],
)
def test_it_does_not_hold(operator: str, key: str, values: Any) -> None:
    assert not holds(operator, key, values)


@pytest.mark.parametrize(
    "block",
    [[], {"StringIs": {"aws:username": "x"}}, {"StringEquals": "x"}, {"StringEquals": {"username": "x"}},
     {"ForSome:StringEquals": {"aws:username": "x"}}, {"StringEquals": {"aws:username": {"a": 1}}}],
)  # fmt: skip
def test_what_is_no_condition_is_refused(block: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_conditions(block, variables=True)


@given(values=st.lists(st.text(max_size=5), max_size=4), wanted=st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_not_equals_is_the_opposite_of_equals(values: list[str], wanted: list[str]) -> None:
    context = {"k:k": values}
    equals, differs = (
        parse_conditions({operator: {"k:k": wanted}}, variables=False)[0].holds(context)
        for operator in ("StringEquals", "StringNotEquals")
    )

    assert equals is not differs
