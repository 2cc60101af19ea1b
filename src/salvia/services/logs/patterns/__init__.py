"""Filter patterns of CloudWatch Logs: text of the API in, a test of messages out."""

from collections.abc import Callable

from salvia.services.logs.patterns.errors import InvalidPatternError
from salvia.services.logs.patterns.fields import fields_test
from salvia.services.logs.patterns.json_test import json_test
from salvia.services.logs.patterns.terms import terms_test

__all__ = ["message_test"]


def message_test(pattern: str) -> Callable[[str], bool]:
    """Raises InvalidPatternError. An empty pattern accepts everything."""
    text = pattern.strip()
    read = {"{": json_test, "[": fields_test}.get(text[:1], terms_test)
    try:
        return read(text)
    except RecursionError:
        raise InvalidPatternError("it is nested too deeply") from None
