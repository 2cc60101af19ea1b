"""Patterns for JSON messages: `{ $.status >= 400 && $.requests[0].path = "/api*" }`."""

import json
import re
from collections.abc import Callable
from typing import Any

from salvia.services.logs.patterns.condition import MISSING, Parser
from salvia.services.logs.patterns.errors import InvalidPatternError

_STEP = re.compile(r"""\.?\[(?:(\*)|(\d+)|'([^']*)'|"([^"]*)")\]|\.([\w*-]+)""")


def json_test(text: str) -> Callable[[str], bool]:
    """Messages that are no JSON object or array do not match."""
    if not text.endswith("}"):
        raise InvalidPatternError("a JSON pattern ends with }")
    condition = Parser(text[1:-1]).parse()

    def test(message: str) -> bool:
        stripped = message.lstrip()
        if not stripped.startswith(("{", "[")):
            return False
        try:
            document = json.loads(stripped)
        except (ValueError, RecursionError):
            return False
        return condition(lambda selector: _selected(document, selector))

    return test


def _selected(document: Any, selector: str) -> list[Any]:
    """What the selector finds; MISSING where it finds nothing. A wildcard finds every member."""
    found = [document]
    for every, number, single, double, name in _STEP.findall(selector):
        key = single or double or name
        found = [each for value in found for each in _step(value, key, number, every=bool(every) or key == "*")]
    return found or [MISSING]


def _step(value: Any, key: str, number: str, *, every: bool) -> list[Any]:
    if every:
        members = value.values() if isinstance(value, dict) else value
        return list(members) if isinstance(value, dict | list) else []
    if number:
        return [value[int(number)]] if isinstance(value, list) and int(number) < len(value) else []
    return [value[key]] if isinstance(value, dict) and key in value else []
