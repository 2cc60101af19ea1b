"""The text that every match of a regular expression must hold: lines without it need no regular expression."""

import importlib
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_parser: Any = importlib.import_module("re._parser")  # the standard library's own parser of patterns


@lru_cache(maxsize=1024)
def required_literal(pattern: str) -> str:
    """The longest; "" when there is none. Raises ValueError when the pattern is not a regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    if parsed.state.flags & re.IGNORECASE:
        return ""
    return max(_runs(parsed), key=len, default="")


def _runs(sequence: Iterable[tuple[Any, Any]]) -> Iterable[str]:
    """Every unbroken run of literal characters that each match passes."""
    run = ""
    for operation, argument in sequence:
        kind = str(operation)
        if kind == "LITERAL":
            run += chr(argument)
            continue
        yield run
        run = ""
        if kind == "SUBPATTERN" and not argument[1] & re.IGNORECASE:
            yield from _runs(argument[3])
        elif kind in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"} and argument[0] > 0:
            yield from _runs(argument[2])
        elif kind == "ATOMIC_GROUP":
            yield from _runs(argument)
    yield run
