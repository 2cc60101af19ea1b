"""Conditions such as `$.latency > 100 && ($.name = "a*" || $.user NOT EXISTS)`: shared by JSON and field patterns."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from salvia.services.logs.patterns.errors import InvalidPatternError
from salvia.services.logs.patterns.regex import LinearRegex

MISSING = object()  # what a selector finds where there is nothing

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator>&&|\|\||!=|>=|<=|=|>|<|\(|\))
    | (?P<string>"(?:[^"\\]|\\.)*")
    | %(?P<regex>(?:[^%\\]|\\.)*)%
    | (?P<selector>\$(?:\.?\[(?:\*|\d+|'[^']*'|"[^"]*")\]|\.[\w*-]+)+)
    | (?P<word>[^\s"%()=!<>&|,]+)
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

Values = Callable[[str], list[Any]]  # a selector's values in the message at hand
Condition = Callable[[Values], bool]


class Parser:
    """Recursive descent over one condition: || binds weaker than &&, which binds weaker than a comparison."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            token = _TOKEN.match(text, position)
            if token is None or token.lastgroup is None:
                raise InvalidPatternError(f"cannot read {text[position:].strip()!r}")
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            position = token.end()
        self._at = 0

    def parse(self) -> Condition:
        condition = self._any()
        if self._at < len(self._tokens):
            raise InvalidPatternError(f"nothing can follow before {self._peek()[1]!r}")
        return condition

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take("||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda values: any(part(values) for part in parts)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take("&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda values: all(part(values) for part in parts)

    def _one(self) -> Condition:
        if self._take("("):
            condition = self._any()
            if not self._take(")"):
                raise InvalidPatternError("a parenthesis is not closed")
            return condition
        kind, selector = self._next()
        if kind not in {"selector", "word"}:
            raise InvalidPatternError(f"a selector is needed instead of {selector!r}")
        operator = self._next()[1]
        if operator.upper() == "IS":
            return self._is(selector)
        if operator.upper() == "NOT" and self._next()[1].upper() == "EXISTS":
            return lambda values: all(value is MISSING for value in values(selector))
        if operator not in {"=", "!=", ">", ">=", "<", "<="}:
            raise InvalidPatternError(f"{operator!r} does not compare anything")
        test = comparison(operator, *self._next())
        return lambda values: any(value is not MISSING and test(value) for value in values(selector))

    def _is(self, selector: str) -> Condition:
        wanted = {"TRUE": True, "FALSE": False, "NULL": None}.get(self._next()[1].upper(), MISSING)
        if wanted is MISSING:
            raise InvalidPatternError("IS stands before TRUE, FALSE or NULL only")
        return lambda values: any(value is wanted for value in values(selector))

    def _take(self, operator: str) -> bool:
        if self._peek() == ("operator", operator):
            self._at += 1
            return True
        return False

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            raise InvalidPatternError("it ends too early")
        self._at += 1
        return token


def comparison(operator: str, kind: str, operand: str) -> Callable[[Any], bool]:
    """A test of one value. Numbers compare as numbers; in text, * stands for any characters."""
    if kind == "regex":
        if operator not in {"=", "!="}:
            raise InvalidPatternError("a regular expression can only be compared with = and !=")
        expression = LinearRegex(operand)
        return lambda value: expression.search(_text(value)) == (operator == "=")
    if kind == "word" and _NUMBER.fullmatch(operand):
        return _numeric(operator, float(operand))
    if operator not in {"=", "!="}:
        raise InvalidPatternError(f"{operator} needs a number, not {operand!r}")
    text = _unquoted(operand) if kind == "string" else operand
    wanted = text.split("*")
    return lambda value: _is_like(_text(value), wanted) == (operator == "=")


def _numeric(operator: str, wanted: float) -> Callable[[Any], bool]:
    compare: Callable[[float], bool] = {
        "=": lambda number: number == wanted,
        "!=": lambda number: number != wanted,
        ">": lambda number: number > wanted,
        ">=": lambda number: number >= wanted,
        "<": lambda number: number < wanted,
        "<=": lambda number: number <= wanted,
    }[operator]

    def test(value: Any) -> bool:
        number = _number(value)
        return operator == "!=" if number is None else compare(number)

    return test


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # JSON's integers have no end
            return math.inf if value > 0 else -math.inf
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _unquoted(operand: str) -> str:
    try:
        return str(json.loads(operand))
    except ValueError:
        return re.sub(r"\\(.)", r"\1", operand[1:-1])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_like(text: str, pieces: list[str]) -> bool:
    """Whether the text is the pieces in this order with anything between them."""
    if len(pieces) == 1:
        return text == pieces[0]
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
