"""Patterns for plain text: words and "phrases" that must be there, -words that must not, ?one ?of, %expressions%."""

import re
from collections.abc import Callable

from salvia.services.logs.patterns.errors import InvalidPatternError
from salvia.services.logs.patterns.regex import LinearRegex

_TERM = re.compile(
    r'\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)*)%|(?P<word>[^\s"%]+))'
)
_WORD = re.compile(r"\w+")


def terms_test(text: str) -> Callable[[str], bool]:
    """Terms are compared by case. ?terms only count where there is no other term, as in CloudWatch Logs."""
    needed: list[Callable[[str], bool]] = []
    refused: list[Callable[[str], bool]] = []
    optional: list[Callable[[str], bool]] = []
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise InvalidPatternError(f"a quote or % is not closed in {text[position:].strip()!r}")
        {"": needed, "-": refused, "?": optional}[term["sign"]].append(_test(term))
        position = term.end()
    if needed or refused:
        return lambda message: all(test(message) for test in needed) and not any(test(message) for test in refused)
    if optional:
        return lambda message: any(test(message) for test in optional)
    return lambda _: True


def _test(term: "re.Match[str]") -> Callable[[str], bool]:
    if term["regex"] is not None:
        return LinearRegex(term["regex"]).search
    if term["phrase"] is not None:
        phrase = re.sub(r"\\(.)", r"\1", term["phrase"])
        if not phrase.strip():
            return lambda _: True
        return lambda message: phrase in message
    word = term["word"]
    if not _WORD.fullmatch(word):
        raise InvalidPatternError(f"Invalid character(s) in term '{word}'; put it in double quotes")
    return lambda message: word in message
