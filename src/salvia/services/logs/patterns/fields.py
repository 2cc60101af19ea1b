"""Patterns for messages of fields separated by spaces: `[ip, user, ..., status = 4*, bytes > 1000]`."""

import re
from collections.abc import Callable
from typing import NamedTuple

from salvia.services.logs.patterns.condition import MISSING, Condition, Parser
from salvia.services.logs.patterns.errors import InvalidPatternError

_FIELD = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)')
_NAME = re.compile(r"\s*\(*\s*([A-Za-z_][\w.-]*)")
_APART = re.compile(r',(?=(?:[^"%]|"[^"]*"|%[^%]*%)*$)')  # commas outside of quotes and expressions


class Field(NamedTuple):
    name: str
    condition: Condition | None


def fields_test(text: str) -> Callable[[str], bool]:
    """A message matches when it has as many fields (any number where `...` stands) and all conditions hold."""
    if not text.endswith("]"):
        raise InvalidPatternError("a pattern of fields ends with ]")
    parts = [part.strip() for part in _APART.split(text[1:-1])]
    rests = [number for number, part in enumerate(parts) if part == "..."]
    if len(rests) > 1:
        raise InvalidPatternError("... can stand only once")
    before = [_field(part) for part in parts[: rests[0] if rests else len(parts)]]
    after = [_field(part) for part in parts[rests[0] + 1 :]] if rests else []

    def test(message: str) -> bool:
        values = [quoted or bracketed or word for quoted, bracketed, word in _FIELD.findall(message)]
        if len(values) < len(before) + len(after) or (not rests and len(values) != len(before)):
            return False
        pairs = [*zip(before, values, strict=False), *zip(reversed(after), reversed(values), strict=False)]
        named = {field.name: value for field, value in pairs if field.name}
        return all(
            field.condition is None or field.condition(lambda name: [named.get(name, MISSING)]) for field, _ in pairs
        )

    return test


def _field(part: str) -> Field:
    if not part:
        return Field("", None)
    name = _NAME.match(part)
    if name is None:
        raise InvalidPatternError(f"{part!r} does not begin with the name of a field")
    return Field(name[1], None if name.end() == len(part) else Parser(part).parse())
