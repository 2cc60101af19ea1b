"""Strings of a policy: the wildcards * and ?, and ${variables} filled in from the request."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

Context = Mapping[str, Sequence[str]]  # condition keys in lower case, each with its values

Matcher = Callable[[str], bool]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
# What stands for itself: the values of variables, and ${*}. Private-use characters, so that nothing else means them.
_LITERAL = str.maketrans({"*": "\ue000", "?": "\ue001"})


class Pattern:
    """One string of a policy. `variables` is false in policies of the version 2008-10-17, where ${ has no meaning."""

    __slots__ = ("_matcher", "_text", "varies")

    def __init__(self, text: str, *, variables: bool) -> None:
        self._text = text
        self.varies = variables and "${" in text
        self._matcher = None if self.varies else glob(text)

    def matches(self, value: str, context: Context) -> bool:
        """Wildcards count. False when a variable has no value in the request."""
        if self._matcher is not None:
            return self._matcher(value)
        filled = fill(self._text, context)
        return filled is not None and glob(filled)(value.translate(_LITERAL))

    def equals(self, value: str, context: Context) -> bool:
        """Wildcards stand for themselves."""
        return self.text(context) == value

    def text(self, context: Context) -> str | None:
        """With its variables filled in; None when one has no value in the request."""
        if not self.varies:
            return self._text
        filled = fill(self._text, context)
        return None if filled is None else filled.replace("\ue000", "*").replace("\ue001", "?")


def fill(text: str, context: Context) -> str | None:
    """`text` with every variable replaced; characters of values that could be wildcards are made literal."""
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = match[1].partition(",")
        if name in ("*", "?", "$"):
            return name.translate(_LITERAL)
        values = context.get(name.strip().lower(), ())
        if len(values) == 1:
            return values[0].translate(_LITERAL)
        default = default.strip()
        if len(default) >= 2 and default[0] == default[-1] == "'":
            return default[1:-1].translate(_LITERAL)
        missing = True
        return ""

    filled = _VARIABLE.sub(value_of, text)
    return None if missing else filled


@lru_cache(maxsize=4096)
def glob(text: str) -> Matcher:
    """A matcher in time linear in the value for each star: a policy cannot make the server slow."""
    if text == "*":
        return _anything
    head, *rest = text.split("*")
    if not rest:
        return text.__eq__ if "?" not in text else _fullmatch(text)
    if "?" in text:
        return _Pieces(head, rest[:-1], rest[-1]).matches
    *middle, tail = rest
    middle = [piece for piece in middle if piece]
    if not middle and not tail:
        return lambda value: value.startswith(head)
    least = len(head) + len(tail)

    def matches(value: str) -> bool:
        if len(value) < least or not value.startswith(head) or not value.endswith(tail):
            return False
        at, end = len(head), len(value) - len(tail)
        for piece in middle:
            found = value.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return matches


class _Pieces:
    """A glob with ? in it: what stands between two stars is searched for from left to right."""

    def __init__(self, head: str, middle: list[str], tail: str) -> None:
        self._head, self._middle, self._tail = _piece(head), [_piece(piece) for piece in middle if piece], _piece(tail)
        self._tail_length = len(tail)

    def matches(self, value: str) -> bool:
        start = self._head.match(value)
        end = len(value) - self._tail_length
        if start is None or end < start.end() or not self._tail.match(value, end):
            return False
        at = start.end()
        for piece in self._middle:
            found = piece.search(value, at, end)
            if found is None:
                return False
            at = found.end()
        return True


def _piece(text: str) -> re.Pattern[str]:
    return re.compile("".join("." if char == "?" else re.escape(char) for char in text), re.DOTALL)


def _fullmatch(text: str) -> Matcher:
    piece = _piece(text)
    return lambda value: piece.fullmatch(value) is not None


def _anything(value: str) -> bool:  # noqa: ARG001 - a matcher
    return True
