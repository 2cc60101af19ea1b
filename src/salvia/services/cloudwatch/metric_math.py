"""Metric math: reads an expression such as `IF(m1 > 0, 100 * m2 / SUM(METRICS()), 0)` and computes it."""

import math
import re
from collections.abc import Mapping

from salvia.base.errors import Unsupported, ValidationError
from salvia.services.cloudwatch.math_functions import FUNCTIONS, OPERATORS, Series, Value, combined, filled

_TOKEN = re.compile(
    r'\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z]\w*)|(?P<text>"[^"]*"|\'[^\']*\')'
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^()\[\],<>]))"
)
_STRENGTH = {"OR": 1, "AND": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6}
_POWER = 8  # of ^, which also binds to the right
_SPELLED = {"&&": "AND", "||": "OR"}
_WORDS = frozenset({"AND", "OR", "REPEAT", "LINEAR"})
_REFUSED = frozenset(
    {
        *("ANOMALY_DETECTION_BAND", "DAY", "DB_PERF_INSIGHTS", "EPOCH", "EXP", "HOUR", "INSIGHT_RULE_METRIC"),
        *("LAMBDA", "MINUTE", "MONTH", "PERIOD", "REMOVE_EMPTY", "SEARCH", "SERVICE_QUOTA", "SLICE", "SORT"),
        *("TIME_SERIES", "YEAR"),
    }
)


class Expression:
    """Read at once; `names` are the ids it refers to. Queries (SELECT) and the functions in _REFUSED are refused."""

    def __init__(self, text: str) -> None:
        if re.match(r"\s*SELECT\b", text, re.IGNORECASE):
            raise Unsupported("Metrics Insights queries (SELECT ...) are not supported; name metrics in MetricStat.")
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            token = _TOKEN.match(text, position)
            if token is None or token.lastgroup is None:
                raise self._wrong(f"cannot read {text[position:].strip()!r}")
            self._tokens.append((token.lastgroup, _SPELLED.get(token[token.lastgroup], token[token.lastgroup])))
            position = token.end()
        self._check_functions()
        self.names = frozenset(
            word for number, (kind, word) in enumerate(self._tokens) if kind == "name" and self._is_id(number)
        )
        self._at = 0
        self._known: Mapping[str, Value] = {}
        self._metrics: Mapping[str, Series] = {}

    def evaluate(self, known: Mapping[str, Value], metrics: Mapping[str, Series]) -> Value:
        """`known` has every one of `names`; `metrics` are what METRICS() stands for."""
        self._at, self._known, self._metrics = 0, known, metrics
        try:
            value = self._binary(0)
        except RecursionError:
            raise self._wrong("it is nested too deeply") from None
        if self._at < len(self._tokens):
            raise self._wrong(f"nothing can follow before {self._peek()!r}")
        return value

    def _check_functions(self) -> None:
        for number, (kind, word) in enumerate(self._tokens):
            if kind != "name" or self._is_id(number) or word in _WORDS:
                continue
            if word in _REFUSED:
                raise Unsupported(f"The metric math function {word} is not supported.")
            if word not in FUNCTIONS and word not in {"FILL", "IF", "METRICS", "METRIC_COUNT"}:
                raise self._wrong(f"there is no function {word}")

    def _is_id(self, number: int) -> bool:
        return self._tokens[number][1][0].islower()

    def _binary(self, least: int) -> Value:
        left = self._unary()
        while True:
            sign = self._peek()
            strength = _POWER if sign == "^" else _STRENGTH.get(sign, 0)
            if strength <= least:
                return left
            self._at += 1
            right = self._binary(strength - 1 if sign == "^" else strength)
            left = combined(OPERATORS[sign], left, right)

    def _unary(self) -> Value:
        if self._peek() == "-":
            self._at += 1
            return combined(OPERATORS["*"], -1.0, self._binary(_POWER - 1))
        kind, word = self._next()
        if kind == "number":
            return float(word)
        if word == "(":
            value = self._binary(0)
            self._expect(")")
            return value
        if word == "[":
            return self._array()
        if kind == "name" and word in self._known:
            return self._known[word]
        if kind == "name" and self._peek() == "(":
            return self._call(word)
        raise self._wrong(f"{word!r} is not expected")

    def _array(self) -> list[Series]:
        found: list[Series] = []
        while self._peek() != "]":
            value = self._binary(0)
            if isinstance(value, float):
                raise self._wrong("an array holds time series")
            found += value if isinstance(value, list) else [value]
            if self._peek() == ",":
                self._at += 1
        self._expect("]")
        return found

    def _call(self, function: str) -> Value:
        if function in _WORDS:
            raise self._wrong(f"{function} is no function")
        self._expect("(")
        if function == "METRICS":
            wanted = self._next()[1][1:-1] if self._peek() != ")" else ""
            self._expect(")")
            return [series for name, series in self._metrics.items() if wanted in name]
        value = self._binary(0)
        if function == "FILL":
            self._expect(",")
            by = self._next()[1] if self._peek() in {"REPEAT", "LINEAR"} else self._binary(0)
            value = filled(value, by)
        elif function == "IF":
            value = self._choice(value)
        elif function == "METRIC_COUNT":
            value = float(len(value)) if isinstance(value, list) else 1.0
        else:
            value = FUNCTIONS[function](value)
        self._expect(")")
        return value

    def _choice(self, condition: Value) -> Value:
        """Point by point; without a third argument the points where the condition is false are left out."""
        self._expect(",")
        chosen = self._binary(0)
        other: Value = math.nan
        if self._peek() == ",":
            self._at += 1
            other = self._binary(0)
        if isinstance(condition, float):
            return chosen if condition else other
        if isinstance(condition, list) or isinstance(chosen, list) or isinstance(other, list):
            raise self._wrong("IF takes numbers and single time series")
        points: dict[float, float] = {}
        for time, holds in condition.points.items():
            source = chosen if holds else other
            value = source.points.get(time, math.nan) if isinstance(source, Series) else source
            if math.isfinite(value):
                points[time] = value
        return condition.over(points)

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._wrong("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise self._wrong(f"{sign} is needed after {self._tokens[self._at - 2][1]!r}")

    def _wrong(self, why: str) -> ValidationError:
        return ValidationError(f"Error in expression '{self._text}': {why}.")
