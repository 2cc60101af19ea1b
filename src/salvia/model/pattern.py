r"""The regular expressions of the models, which are Java's, as Python's.

What differs: a pattern must match the whole string, `.` stops at more line ends, `\p{L}` and its kin, `\x{41}`, `\z`,
`(?i)` in the middle, a quantified `$`, and classes that Python reads another way (`[\w-.]`, `[a||b]`, surrogate pairs).
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

Ranges = tuple[tuple[int, int], ...]

_ANY = "[^\\n\\r\\x85\\u2028\\u2029]"
_SHORTHAND = "wWdDsS"
_CONTROL = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7, "e": 27, "0": 0}
_POSIX: dict[str, Ranges] = {
    "ASCII": ((0, 0x7F),),
    "Alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "Alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "Blank": ((0x09, 0x09), (0x20, 0x20)),
    "Cntrl": ((0, 0x1F), (0x7F, 0x7F)),
    "Digit": ((0x30, 0x39),),
    "Graph": ((0x21, 0x7E),),
    "Lower": ((0x61, 0x7A),),
    "Print": ((0x20, 0x7E),),
    "Punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "Space": ((0x09, 0x0D), (0x20, 0x20)),
    "Upper": ((0x41, 0x5A),),
    "XDigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
    "all": ((0, sys.maxunicode),),
}
# Properties that are several general categories at once.
_UNIONS = {
    "LD": ("L", "Nd"),
    "IsAlphabetic": ("L", "Nl"),
    "IsLetter": ("L",),
    "IsDigit": ("Nd",),
    "IsWhitespace": ("Z",),
}
# Patterns of the models on which a backtracking matcher takes exponential time, each beside the same language
# written so that there is one way to match: a request must not be able to stop the server.
_LINEAR = {
    r"https://([.\-_a-zA-Z0-9]+/?){3,1016}": r"https://(?:[.\-_a-zA-Z0-9]/?){3,1016}",
    r"[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?",
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*](?:[._\-/]?[a-z0-9*])*",
    r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$": r"\t*[\x20-\x7E][\t\x20-\x7E]*",
    r"^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$": (
        r"\t*[^\x00-\x1F:\x7F][^\x00-\x08\x0A-\x1F:\x7F]*"
    ),
}


class UnknownSyntaxError(ValueError):
    """The pattern uses what is not translated here (an intersection of classes, an unknown property)."""


@cache
def matcher(pattern: str) -> Callable[[str], object]:
    """Tells (by truth) whether a whole string matches. Compiled on first use; raises UnknownSyntaxError.

    Nearly all strings are ASCII, for which the tables of Unicode properties are not needed: they are built when the
    first other string comes.
    """
    pattern = _LINEAR.get(pattern, pattern)
    ascii_match = _compiled(pattern, 0x7F).fullmatch

    def matches(text: str) -> object:
        return ascii_match(text) if text.isascii() else _compiled(pattern, sys.maxunicode).fullmatch(text)

    # A pattern without properties is the same for every string.
    return matches if "\\p" in pattern.lower() else ascii_match


@cache
def _compiled(pattern: str, limit: int) -> re.Pattern[str]:
    translated = _Translation(pattern, limit).whole()
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise UnknownSyntaxError(f"{pattern}: {error}") from error


class _Translation:
    """One walk over a pattern. `limit` is the highest code point that strings to be matched may hold."""

    def __init__(self, pattern: str, limit: int) -> None:
        self.pattern = pattern
        self.limit = limit
        self.at = 0
        self.dot_all = False
        self.opened: list[int] = [0]  # for each open group: how many flag groups were opened inside it

    def whole(self) -> str:
        parts = []
        while self.at < len(self.pattern):
            parts.append(self._piece())
        return "".join(parts) + ")" * self.opened[0]

    def _piece(self) -> str:
        rest = self.pattern[self.at]
        if rest == "\\":
            return self._escape()
        if rest == "[":
            return self._class()
        self.at += 1
        if rest == "." and not self.dot_all:
            return _ANY
        if rest == "$" and self.pattern[self.at : self.at + 1] == "{":
            return "(?:$)"
        if rest == "(":
            return self._open()
        if rest == ")":
            return ")" * (1 + self.opened.pop()) if len(self.opened) > 1 else ")"
        return rest

    def _open(self) -> str:
        flags = re.compile(r"\?([a-z]+)\)").match(self.pattern, self.at)
        if flags:
            # Python takes flags only at the start or for a group: the rest of the enclosing group becomes one.
            self.at = flags.end()
            self.dot_all |= "s" in flags[1]
            self.opened[-1] += 1
            return f"(?{flags[1]}:"
        self.opened.append(0)
        if re.compile(r"\?<[A-Za-z]").match(self.pattern, self.at):
            self.at += 1
            return "(?P"
        return "("

    def _escape(self) -> str:
        """An escape outside a class."""
        following = self.pattern[self.at + 1 : self.at + 2]
        if following in {"z", "Z"} and following:
            self.at += 2
            return "\\Z"
        if following.isdigit() or following in {"b", "B", "A"}:
            self.at += 2
            return f"\\{following}"
        atom = self._atom()
        return _literal(atom) if isinstance(atom, int) else f"[{atom}]"

    def _class(self) -> str:
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        parts: list[str] = []
        while True:
            if self.at >= len(self.pattern) or self.pattern.startswith("&&", self.at):
                raise UnknownSyntaxError(self.pattern)
            if self.pattern[self.at] == "]" and parts:
                self.at += 1
                return f"[{'^' if negated else ''}{''.join(parts)}]"
            parts.append(self._range())

    def _range(self) -> str:
        """One member of a class: a set, a character, or a range of characters."""
        first = self._atom()
        if isinstance(first, str):
            return first
        if self.pattern[self.at : self.at + 1] != "-" or self.pattern[self.at + 1 : self.at + 2] in {"]", ""}:
            return _literal(first)
        back = self.at
        self.at += 1
        last = self._atom()
        if isinstance(last, str):
            self.at = back  # the hyphen stands for itself
            return _literal(first)
        return f"{_literal(first)}-{_literal(last)}"

    def _atom(self) -> int | str:
        """A code point, or a set as the inside of a class."""
        character = self.pattern[self.at]
        self.at += 1
        if character != "\\":
            return ord(character)
        if self.at >= len(self.pattern):
            raise UnknownSyntaxError(self.pattern)
        kind = self.pattern[self.at]
        self.at += 1
        if kind in _SHORTHAND:
            return f"\\{kind}"
        if kind in "pP":
            return self._property(negated=kind == "P")
        if kind in "ux":
            return self._code_point(kind)
        return _CONTROL.get(kind, ord(kind))

    def _property(self, *, negated: bool) -> str:
        named = re.compile(r"\{(\w+)\}|(\w)").match(self.pattern, self.at)
        if named is None:
            raise UnknownSyntaxError(self.pattern)
        self.at = named.end()
        ranges = property_ranges(named[1] or named[2], self.limit)
        shown = _complement(ranges, self.limit) if negated else ranges
        # A class may not be empty; a character beyond the limit is never met.
        return "".join(f"{_literal(low)}-{_literal(high)}" for low, high in shown) or _literal(sys.maxunicode)

    def _code_point(self, kind: str) -> int:
        width = 4 if kind == "u" else 2
        written = re.compile(rf"\{{([0-9A-Fa-f]+)\}}|([0-9A-Fa-f]{{{width}}})").match(self.pattern, self.at)
        if written is None:
            raise UnknownSyntaxError(self.pattern)
        self.at = written.end()
        value = int(written[1] or written[2], 16)
        low = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})").match(self.pattern, self.at)
        if 0xD800 <= value < 0xDC00 and low:
            self.at = low.end()
            return 0x10000 + ((value - 0xD800) << 10) + (int(low[1], 16) - 0xDC00)
        return value


@cache
def property_ranges(name: str, limit: int) -> Ranges:
    """The code points up to `limit` that have a property, in order. Raises UnknownSyntaxError for an unknown one."""
    if name in _POSIX:
        return tuple((low, min(high, limit)) for low, high in _POSIX[name] if low <= limit)
    categories = _UNIONS.get(name, (name,))
    known = _by_category(limit)
    chosen = sorted(span for category, spans in known.items() if category.startswith(categories) for span in spans)
    if not chosen and not any(category.startswith(categories) for category in _by_category(sys.maxunicode)):
        raise UnknownSyntaxError(f"\\p{{{name}}}")
    return tuple(_joined(chosen))


@cache
def _by_category(limit: int) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    start, current = 0, unicodedata.category("\0")
    for code in range(1, limit + 1):
        category = unicodedata.category(chr(code))
        if category != current:
            found.setdefault(current, []).append((start, code - 1))
            start, current = code, category
    found.setdefault(current, []).append((start, limit))
    return found


def _joined(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    waiting: tuple[int, int] | None = None
    for low, high in spans:
        if waiting and low == waiting[1] + 1:
            waiting = (waiting[0], high)
            continue
        if waiting:
            yield waiting
        waiting = (low, high)
    if waiting:
        yield waiting


def _complement(ranges: Ranges, limit: int) -> Ranges:
    gaps = []
    start = 0
    for low, high in ranges:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    return (*gaps, (start, limit)) if start <= limit else tuple(gaps)


def _literal(code: int) -> str:
    character = chr(code)
    if character.isascii() and character.isalnum():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\U{code:08x}"
