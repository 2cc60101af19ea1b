"""Inputs drawn from a model's shapes: the plainest right one, one member wrong at a time, and mostly-right ones by chance."""

import base64
import copy
import random
import string
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

from tests.clients.mutated import broken_json
from tests.clients.valid import LANGUAGES

_ODD = [
    "", " ", "a", "x" * 300, "x" * 70_000, "ünïcödé", "../../etc/passwd", "null", "-1", "\U0001f600", "a b\tc", "%2F", "%00",
    "<&>'\"", "\x00", "\x7f", "a\nb\r\nc: d", "\ufffe", "arn:aws:s3:::x", "s3://", "1e400", "*" * 40, "(" * 40, "/" * 40, "\u0663", "--5",
    "WzEsMl0=", "W1sxXSx7fV0=", "WyJhIiwiYiJd", "bnVsbA==", "LTU=", "W251bGwsbnVsbF0=", "1_0", "NaN", "\r", "a" * 1025,
]  # fmt: skip
_TOKENS = [
    base64.b64encode(text.encode()).decode()
    for text in (
        "", "x", "1", "-5", "1e999", "null", "{}", "[]", "[[1], {}]", "[null, null]", '["a", "b"]', "[1, 2]", "[1e999, 1]", "[1, 2, 3, 4]", '[1, "a", 2, true]',
        '[1e999, "a", 1, true]', '[-1, "a", -1, false]', '{"a": 1}', '"x"', '["' + "x" * 3000 + '", "a"]', "18446744073709551615", '[18446744073709551615, "a"]',
        "[" * 2000, "\x00", "\U0001f600", "9" * 5000, "a/b", "1|2", "f/1", "b/-1", "true",
    )
]  # fmt: skip
_NUMBERS = [0, 1, -1, 10, 1000, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, 2**63, -(2**63) - 1, 10**30]
_MOMENTS = [0, 1, -1, 1.7e9, 4e9, 253402300799, -62135596800]
_DEEPEST = 8


class Draw:
    """Draws values of botocore shapes. `known` names members whose values exist on the server, the most usual one first."""

    def __init__(self, seed: int, known: Mapping[str, list[Any]]) -> None:
        self.random = random.Random(seed)
        self.known = known

    def plain(self, shape: Shape | None) -> dict[str, Any]:
        """The required members only, each with the plainest value that is right."""
        drawn: dict[str, Any] = self._plain(shape, 0) if shape is not None else {}
        return drawn

    def request(self, shape: Shape | None) -> dict[str, Any]:
        return self._structure(shape, 0) if shape is not None else {}

    def wrong(self, shape: Shape | None, right: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """`right` with one member changed: left out, added, or of a value that is odd or breaks a constraint."""
        for path, member, present in _places(shape, right):
            for value in [*self._odd(member, path[-1]), *self._broken(right, path)]:
                yield _changed(right, path, value)
            if present:
                yield _changed(right, path, None, leave_out=True)
            else:
                yield _changed(right, path, self._plain(member, 1, path[-1]))

    def broken_constraints(
        self, shape: Shape | None, right: dict[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any], str]]:
        """(the member's path as AWS writes it, `right` with one constraint broken, a word that names the constraint)."""
        for path, member, present in _places(shape, right):
            if _through_structures(shape, path):
                named = ".".join(str(step)[:1].lower() + str(step)[1:] for step in path)
                for value, word in _violations(member):
                    yield named, _changed(right, path, value), word
                if present and len(path) == 1 and path[0] in getattr(shape, "required_members", ()):
                    yield named, _changed(right, path, None, leave_out=True), "Member must not be null"

    def _broken(self, right: Any, path: "Path") -> list[str]:
        """Other documents, where there is one in JSON."""
        for step in path:
            right = right.get(step) if isinstance(right, dict) else right[step]
        is_document = isinstance(right, str) and right.startswith("{")
        return [broken_json(self.random, right) for _ in range(20)] if is_document else []

    def _plain(self, shape: Any, depth: int, name: Any = "") -> Any:
        if name in self.known:
            return copy.deepcopy(self.known[name][0])
        kind = shape.type_name
        if kind == "structure":
            return {each: self._plain(shape.members[each], depth + 1, each) for each in shape.required_members}
        if kind == "list":
            return [self._plain(shape.member, depth + 1) for _ in range(max(1, shape.metadata.get("min", 1)))]
        if kind == "map":
            return {self._plain(shape.key, depth + 1): self._plain(shape.value, depth + 1)}
        if kind == "string":
            if getattr(shape, "enum", None):
                return shape.enum[0]
            return "a" * max(1, shape.metadata.get("min", 1))
        if kind == "timestamp":
            return datetime(2024, 1, 1, tzinfo=UTC)
        plain: Any = {"integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True, "blob": b"data"}[kind]
        return max(plain, shape.metadata.get("min", plain)) if kind in {"integer", "long"} else plain

    def _odd(self, shape: Any, name: Any = "") -> list[Any]:
        if str(name).lower().endswith(("token", "marker")):
            return [*self.random.sample(_TOKENS, 12), *self.random.sample(_ODD, 4)]
        if name in LANGUAGES and shape.type_name == "string":
            return ["".join(self.random.choices(LANGUAGES[name], k=self.random.randint(1, 9))) for _ in range(20)]
        kind, low, high = shape.type_name, shape.metadata.get("min"), shape.metadata.get("max")
        if kind == "structure":
            return [{}]
        if kind in {"list", "map"}:
            one = self._plain(shape.member, 1) if kind == "list" else None
            return [[], [one] * (min(high or 0, 1000) + 1)] if kind == "list" else [{}, {"": ""}]
        if kind == "string":
            short = ["b" * (low - 1)] if low else []
            long = ["b" * (high + 1)] if high and high < 100_000 else []
            return short + long + self.random.sample(_ODD, 8)
        if kind in {"integer", "long"}:
            beside = [bound + step for bound in (low, high) if bound is not None for step in (-1, 1)]
            return beside + self.random.sample(_NUMBERS, 5)
        if kind in {"float", "double"}:
            return [0.0, -1.5, 1e308, float("nan"), float("inf"), float("-inf")]
        if kind == "timestamp":
            return [_moment(seconds) for seconds in self.random.sample(_MOMENTS, 3)]
        return [b"", self.random.randbytes(100)] if kind == "blob" else [True, False]

    def _structure(self, shape: Any, depth: int) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        for name, member in shape.members.items():
            required = name in shape.required_members
            chance = 0.97 if required else (0.35 if depth < 3 else 0.08)
            if self.random.random() < chance:
                drawn[name] = self._member(name, member, depth + 1)
        return drawn

    def _member(self, name: str, shape: Any, depth: int) -> Any:
        if name.lower().endswith(("token", "marker")) and self.random.random() < 0.5:
            return self.random.choice(_TOKENS)
        if name in LANGUAGES and shape.type_name == "string" and self.random.random() < 0.5:
            return "".join(self.random.choices(LANGUAGES[name], k=self.random.randint(1, 9)))
        if name in self.known and self.random.random() < 0.7:
            return copy.deepcopy(self.random.choice(self.known[name]))
        return self._value(shape, depth)

    def _value(self, shape: Any, depth: int) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape, depth) if depth < _DEEPEST else {}
        if kind == "list":
            count = self.random.choice([0, 1, 1, 2, 3]) if depth < _DEEPEST - 2 else 0
            return [self._value(shape.member, depth + 1) for _ in range(count)]
        if kind == "map":
            pairs = range(self.random.choice([0, 1, 2]))
            return {self._text(shape.key): self._value(shape.value, depth + 1) for _ in pairs}
        if kind == "string":
            return self._text(shape)
        if self.random.random() < 0.2:
            return self.random.choice(self._odd(shape))
        if kind in {"integer", "long"}:
            low = shape.metadata.get("min", 0)
            return self.random.choice([low, low + 1, 10, 100, shape.metadata.get("max", 7)])
        if kind in {"float", "double"}:
            return self.random.choice([0.0, 1.5, -2.0, 1e30])
        if kind == "timestamp":
            return _moment(self.random.choice([0, 1.7e9, 4e9]))
        return self.random.randbytes(self.random.choice([0, 1, 100])) if kind == "blob" else self.random.random() < 0.5

    def _text(self, shape: Any) -> str:
        if getattr(shape, "enum", None) and self.random.random() < 0.9:
            return str(self.random.choice(shape.enum))
        if self.random.random() < 0.15:
            return self.random.choice(_ODD)
        length = self.random.choice([1, 3, 12, max(1, shape.metadata.get("min", 1))])
        letters = self.random.choices(string.ascii_lowercase + string.digits + "-", k=min(length, 200))
        return "".join(letters).strip("-") or "a"


def _through_structures(shape: Any, path: "Path") -> bool:
    """Of an element of a list or map AWS names the list or map instead."""
    for step in path:
        if shape.type_name != "structure":
            return False
        shape = shape.members[step]
    return True


def _violations(member: Any) -> Iterator[tuple[Any, str]]:
    kind, low, high = member.type_name, member.metadata.get("min"), member.metadata.get("max")
    if kind == "string" and getattr(member, "enum", None):
        yield "no such value", "enum value set: ["
    elif kind == "string":
        if low and low > 1:
            yield "a" * (low - 1), f"length greater than or equal to {low}"
        if high and high < 100_000:
            yield "a" * (high + 1), f"length less than or equal to {high}"
        if "pattern" in member.metadata and (low or 0) <= 1 and _never_matches(member.metadata["pattern"]):
            yield "\x01", "regular expression pattern: "
    elif kind in {"integer", "long"}:
        if low is not None:
            yield low - 1, f"value greater than or equal to {low}"
        if high is not None and high < 2**31 - 1:
            yield high + 1, f"value less than or equal to {high}"
    elif kind == "list" and low:
        yield [], f"length greater than or equal to {low}"


def _never_matches(pattern: str) -> bool:
    """Whether the pattern surely has no place for a control character."""
    return not any(odd in pattern for odd in (".", "\\s", "\\S", "\\u", "\\x", "\\p", "[^", "*", "\\W"))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


Path = tuple[str | int, ...]


def _places(shape: Any, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any, bool]]:
    """(path, shape, whether it is there) of every member in `value` and of those next to them that are absent."""
    if shape is None or len(path) > _DEEPEST:
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            yield (*path, name), member, name in value
            if name in value:
                yield from _places(member, value[name], (*path, name))
    elif shape.type_name == "list" and isinstance(value, list):
        for index, item in enumerate(value[:2]):
            yield (*path, index), shape.member, True
            yield from _places(shape.member, item, (*path, index))
    elif shape.type_name == "map" and isinstance(value, dict):
        for name in list(value)[:2]:
            yield (*path, name), shape.value, True
            yield from _places(shape.value, value[name], (*path, name))


def _changed(right: dict[str, Any], path: Path, value: Any, *, leave_out: bool = False) -> dict[str, Any]:
    made = copy.deepcopy(right)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step]
    if leave_out:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return made
