"""Finds the values of metric definitions in log text."""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

from salvia.adapters.metrics.literal import required_literal
from salvia.adapters.metrics.matcher import Matcher
from salvia.ports.logs import StreamKey, TimedText
from salvia.ports.metrics import MetricDefinition

_LOG = logging.getLogger(__name__)


class Found(NamedTuple):
    name: str
    value: float
    timestamp: float


class Scraper:
    """Only lines with the text that a definition needs go to the matching process.

    A definition that is no regular expression, or that took too long on three lines of one stream at once, finds
    nothing (more) there; the log says so once.
    """

    def __init__(self, matcher: Matcher | None = None) -> None:
        self._matcher = matcher or Matcher()
        self._given_up: set[tuple[StreamKey, str]] = set()

    async def close(self) -> None:
        await self._matcher.close()

    async def find(
        self, key: StreamKey, definitions: Sequence[MetricDefinition], text: Sequence[TimedText]
    ) -> list[Found]:
        """In the order of the log, definition by definition."""
        asked = [
            (definition, lines)
            for definition in definitions
            if (key, definition.regex) not in self._given_up and (lines := self._candidates(key, definition, text))
        ]
        if not asked:
            return []
        answers = await self._matcher.find(
            [(definition.regex, [line for _, line in lines]) for definition, lines in asked]
        )
        found = []
        for (definition, lines), answer in zip(asked, answers, strict=True):
            for number, value in answer.values:
                if (parsed := number_in(value)) is not None:
                    found.append(Found(definition.name, parsed, lines[number][0] / 1000))
            if answer.slow:
                self._give_up(key, definition, "takes too long")
        return found

    def _candidates(
        self, key: StreamKey, definition: MetricDefinition, text: Sequence[TimedText]
    ) -> list[tuple[int, str]]:
        try:
            literal = required_literal(definition.regex)
        except ValueError as error:
            self._give_up(key, definition, str(error))
            return []
        return [
            (piece.timestamp, line)
            for piece in text
            if literal in piece.text
            for line in piece.text.split("\n")
            if literal in line
        ]

    def _give_up(self, key: StreamKey, definition: MetricDefinition, why: str) -> None:
        self._given_up.add((key, definition.regex))
        _LOG.warning("metric %s of %s/%s is not recorded: %s", definition.name, key.group, key.stream, why)


def number_in(text: str) -> float | None:
    """Any number that Python reads, in any script and with a true minus sign; None for nan, infinity and words."""
    try:
        value = float(text.replace("\u2212", "-").replace("_", " "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
