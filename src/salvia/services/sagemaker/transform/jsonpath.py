"""The JSONPath of batch transform: which parts of a record are sent, and which are kept.

    $   .name   ['name', 'other']   [0]   [-1, 3]   [1:]   [0, 5:]   .*   [*]

One name or index gives what is there; several, a slice or * give a new object or list, and what follows applies to each of its
elements. Source: "Associate Prediction Results with Input Records" in the SageMaker documentation.
"""

import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\.?\[\s*(?P<names>(['"]).*?\2(\s*,\s*(['"]).*?\4)*)\s*\]"""
    r"""|\.?\[\s*(?P<items>[-0-9:,\s]+)\]"""
    r"""|\.(?P<name>[^\s.\[\]'"*,:]+)"""
    r"""|(?P<all>\.\*|\.?\[\s*\*\s*\])"""
)
_QUOTED = re.compile(r"""(['"])(.*?)\1""")
_ITEM = re.compile(r"-?\d+|(-?\d+)?\s*:\s*(-?\d+)?")


class NotInRecordError(LookupError):
    """A record does not have what the expression names."""


@dataclass(frozen=True, slots=True)
class _Step:
    names: tuple[str, ...] = ()
    items: tuple[int | slice, ...] = ()

    def apply(self, value: Any) -> tuple[Any, bool]:
        """What is there, and whether what follows applies to each element of it."""
        if self.names:
            return self._named(value)
        if self.items:
            return self._picked(value)
        if not isinstance(value, dict | list):
            raise NotInRecordError("* needs an object or an array")
        return (list(value.values()) if isinstance(value, dict) else value), True

    def _named(self, value: Any) -> tuple[Any, bool]:
        missing = [name for name in self.names if not isinstance(value, dict) or name not in value]
        if missing:
            raise NotInRecordError(f"there is no {missing[0]!r}")
        several = len(self.names) > 1
        return ({name: value[name] for name in self.names} if several else value[self.names[0]]), several

    def _picked(self, value: Any) -> tuple[Any, bool]:
        if not isinstance(value, list):
            raise NotInRecordError("an index needs an array")
        found: list[Any] = []
        for item in self.items:
            if isinstance(item, slice):
                found += value[item]
            elif -len(value) <= item < len(value):
                found.append(value[item])
            else:
                raise NotInRecordError(f"index {item} is outside of an array of {len(value)}")
        several = len(self.items) > 1 or isinstance(self.items[0], slice)
        return (found if several else found[0]), several


@dataclass(frozen=True, slots=True)
class JsonPath:
    steps: tuple[_Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "JsonPath":
        """Raises ValueError for what is no expression of this kind."""
        text = text.strip()
        if not text.startswith("$"):
            raise ValueError("it must begin with $")
        steps, at = [], 1
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise ValueError(f"{text[at:]!r} is not understood")
            steps.append(_step(token))
            at = token.end()
        return cls(tuple(steps))

    @property
    def is_root(self) -> bool:
        return not self.steps

    def of(self, value: Any) -> Any:
        """Raises NotInRecordError."""
        return _applied(self.steps, value)


def _step(token: re.Match[str]) -> _Step:
    if token["names"]:
        return _Step(names=tuple(name for _, name in _QUOTED.findall(token["names"])))
    if token["name"]:
        return _Step(names=(token["name"],))
    if token["items"]:
        return _Step(items=tuple(_item(part.strip()) for part in token["items"].split(",")))
    return _Step()


def _item(text: str) -> int | slice:
    if not _ITEM.fullmatch(text):
        raise ValueError(f"{text!r} is neither an index nor a slice")
    if ":" not in text:
        return int(text)
    start, _, end = (part.strip() for part in text.partition(":"))
    return slice(int(start) if start else None, int(end) if end else None)


def _applied(steps: tuple[_Step, ...], value: Any) -> Any:
    for number, step in enumerate(steps, 1):
        value, several = step.apply(value)
        rest = steps[number:]
        if several and rest:
            if isinstance(value, dict):
                return {name: _applied(rest, one) for name, one in value.items()}
            return [_applied(rest, one) for one in value]
    return value
