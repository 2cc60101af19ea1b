"""Conditions of a policy statement: an operator, a key of the request, and the values it is held against."""

import base64
import datetime as dt
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from salvia.services.iam.patterns import Context, Pattern

Test = Callable[[str, Pattern, Context], bool]  # the request's value, the policy's value


@dataclass(frozen=True, slots=True)
class Operator:
    """`negated` operators hold when none of the policy's values matches, and when the request lacks the key."""

    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """`quantifier` is "", "ForAllValues" or "ForAnyValue"; `key` is in lower case."""

    operator: Operator | None  # None: Null, which asks only whether the key is there
    quantifier: str
    if_exists: bool
    key: str
    values: tuple[Pattern, ...]

    def holds(self, context: Context) -> bool:
        given = context.get(self.key)
        if self.operator is None:
            absent = "false" if given else "true"
            return any((value.text(context) or "").lower() == absent for value in self.values)
        if not given:
            return (
                self.if_exists or self.quantifier == "ForAllValues" or (self.operator.negated and not self.quantifier)
            )
        quantified = (
            all if self.quantifier == "ForAllValues" or (self.operator.negated and not self.quantifier) else any
        )
        return quantified(self._accepts(value, context) for value in given)

    def _accepts(self, value: str, context: Context) -> bool:
        assert self.operator is not None
        test = self.operator.test
        return any(test(value, wanted, context) for wanted in self.values) is not self.operator.negated


def parse_conditions(block: Any, *, variables: bool) -> tuple[Condition, ...]:
    """Raises ValueError, with AWS's words, when the block is not one."""
    if not isinstance(block, dict):
        raise ValueError("Syntax errors in policy.")  # noqa: TRY004 - every fault of a document is a ValueError
    conditions = []
    for name, keys in block.items():
        quantifier, operator, if_exists = _parse_operator(name)
        if not isinstance(keys, dict):
            raise ValueError("Syntax errors in policy.")  # noqa: TRY004 - as above
        for key, given in keys.items():
            if ":" not in key:
                raise ValueError(f"Condition keys must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {key}")
            values = tuple(Pattern(text, variables=variables) for text in _texts(given))
            conditions.append(Condition(operator, quantifier, if_exists, key.lower(), values))
    return tuple(conditions)


def _parse_operator(name: str) -> tuple[str, Operator | None, bool]:
    quantifier, colon, bare = name.rpartition(":")
    if colon and quantifier not in ("ForAllValues", "ForAnyValue"):
        raise ValueError(f"Invalid Condition type : {name}.")
    if bare == "Null":
        return quantifier, None, False
    if_exists = bare.endswith("IfExists")
    operator = _OPERATORS.get(bare.removesuffix("IfExists"))
    if operator is None:
        raise ValueError(f"Invalid Condition type : {name}.")
    return quantifier, operator, if_exists


def _texts(given: Any) -> list[str]:
    """JSON booleans and numbers may stand for their text."""
    values = given if isinstance(given, list) else [given]
    if any(isinstance(value, dict | list) or value is None for value in values):
        raise ValueError("Syntax errors in policy.")
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]


def _string_equals(value: str, wanted: Pattern, context: Context) -> bool:
    return wanted.equals(value, context)


def _string_equals_ignore_case(value: str, wanted: Pattern, context: Context) -> bool:
    text = wanted.text(context)
    return text is not None and text.casefold() == value.casefold()


def _string_like(value: str, wanted: Pattern, context: Context) -> bool:
    return wanted.matches(value, context)


def _arn_like(value: str, wanted: Pattern, context: Context) -> bool:
    """Each of the six parts is held against its own: a star does not reach over a colon, except in the last."""
    text = wanted.text(context)
    if text is None:
        return False
    wanted_parts, parts = text.split(":", 5), value.split(":", 5)
    if len(parts) != 6 or len(wanted_parts) != 6:
        return text == "*"
    return all(
        Pattern(one, variables=False).matches(other, context) for one, other in zip(wanted_parts, parts, strict=True)
    )


def _numeric(compare: Callable[[float, float], bool]) -> Test:
    def test(value: str, wanted: Pattern, context: Context) -> bool:
        try:
            return compare(float(value), float(wanted.text(context) or ""))
        except ValueError:
            return False

    return test


def _date(compare: Callable[[float, float], bool]) -> Test:
    def test(value: str, wanted: Pattern, context: Context) -> bool:
        try:
            return compare(_seconds(value), _seconds(wanted.text(context) or ""))
        except ValueError:
            return False

    return test


def _seconds(text: str) -> float:
    """ISO 8601, or seconds since the epoch."""
    try:
        return float(text)
    except ValueError:
        moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _bool(value: str, wanted: Pattern, context: Context) -> bool:
    return value.lower() == (wanted.text(context) or "").lower()


def _binary(value: str, wanted: Pattern, context: Context) -> bool:
    try:
        return base64.b64decode(value, validate=True) == base64.b64decode(wanted.text(context) or "", validate=True)
    except ValueError:  # not Base64, or not even ASCII
        return False


def _ip_address(value: str, wanted: Pattern, context: Context) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted.text(context) or "", strict=False)
    except ValueError:
        return False


def _with_negation(positive: str, negative: str, test: Test) -> Sequence[tuple[str, Operator]]:
    return [(positive, Operator(test)), (negative, Operator(test, negated=True))]


def _orders(prefix: str, make: Callable[[Callable[[float, float], bool]], Test]) -> Sequence[tuple[str, Operator]]:
    return [
        *_with_negation(f"{prefix}Equals", f"{prefix}NotEquals", make(lambda one, other: one == other)),
        (f"{prefix}LessThan", Operator(make(lambda one, other: one < other))),
        (f"{prefix}LessThanEquals", Operator(make(lambda one, other: one <= other))),
        (f"{prefix}GreaterThan", Operator(make(lambda one, other: one > other))),
        (f"{prefix}GreaterThanEquals", Operator(make(lambda one, other: one >= other))),
    ]


_OPERATORS: dict[str, Operator] = dict(
    [
        *_with_negation("StringEquals", "StringNotEquals", _string_equals),
        *_with_negation("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", _string_equals_ignore_case),
        *_with_negation("StringLike", "StringNotLike", _string_like),
        *_with_negation("ArnEquals", "ArnNotEquals", _arn_like),
        *_with_negation("ArnLike", "ArnNotLike", _arn_like),
        *_with_negation("IpAddress", "NotIpAddress", _ip_address),
        *_orders("Numeric", _numeric),
        *_orders("Date", _date),
        ("Bool", Operator(_bool)),
        ("BinaryEquals", Operator(_binary)),
    ]
)
