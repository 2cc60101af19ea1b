"""Regular expressions of filter patterns, matched in time linear in the text: no pattern can hang the server.

Python's own parser reads the expression; what it found becomes a set of states that are followed all at once, and
the sets met become the states of an automaton that is built while it is used. What has no such automaton (back
references, looking around) is refused; CloudWatch Logs does not have it either.
"""

import importlib
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from salvia.services.logs.patterns.errors import InvalidPatternError

_parser: Any = importlib.import_module("re._parser")
_MOST_STATES = 2_000
_MOST_CACHED = 20_000

_Test = Callable[[str], bool]
_CATEGORIES: dict[str, _Test] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_NOT_DIGIT": lambda character: not character.isdecimal(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda character: not character.isspace(),
    "CATEGORY_WORD": lambda character: character.isalnum() or character == "_",
    "CATEGORY_NOT_WORD": lambda character: not (character.isalnum() or character == "_"),
}
_START, _END = "at the start", "at the end"


class LinearRegex:
    """`search(text)` tells whether the expression matches anywhere in the text."""

    def __init__(self, expression: str) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = _parser.parse(expression)
        except (re.error, OverflowError, RecursionError) as error:
            raise InvalidPatternError(f"%{expression}% is not a regular expression: {error}") from None
        self._steps: list[tuple[_Test, int]] = []  # a state's test of the next character, and the state after it
        self._free: list[list[tuple[str, int]]] = []  # where a state leads without a character, and when
        self._final = self._state()
        self._first = self._sequence(parsed, self._final)
        self._opening = self._closure({self._first}, at_start=True)
        self._anywhere = self._closure({self._first})
        self._next: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def search(self, text: str) -> bool:
        states = self._opening
        for character in text:
            if self._final in states:
                return True
            following = self._next.get((states, character))
            if following is None:
                following = self._follow(states, character)
            states = following
        return self._final in self._closure(states, at_start=not text, at_end=True)

    def _follow(self, states: frozenset[int], character: str) -> frozenset[int]:
        reached = {after for state in states for test, after in [self._steps[state]] if test(character)}
        following = self._closure(reached) | self._anywhere
        if len(self._next) >= _MOST_CACHED:
            self._next.clear()
        self._next[states, character] = following
        return following

    def _closure(self, states: Iterable[int], *, at_start: bool = False, at_end: bool = False) -> frozenset[int]:
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in found:
                continue
            found.add(state)
            waiting.extend(
                after
                for when, after in self._free[state]
                if not when or (when == _START and at_start) or (when == _END and at_end)
            )
        return frozenset(found)

    def _state(self, test: _Test | None = None, after: int = -1) -> int:
        if len(self._steps) >= _MOST_STATES:
            raise InvalidPatternError("the regular expression is too large")
        self._steps.append((test or (lambda _: False), after))
        self._free.append([])
        return len(self._steps) - 1

    def _sequence(self, parsed: Iterable[tuple[Any, Any]], after: int) -> int:
        for operation, argument in reversed(list(parsed)):
            after = self._one(str(operation), argument, after)
        return after

    def _one(self, kind: str, argument: Any, after: int) -> int:
        match kind:
            case "LITERAL":
                return self._state(lambda character: character == chr(argument), after)
            case "NOT_LITERAL":
                return self._state(lambda character: character != chr(argument), after)
            case "ANY":
                return self._state(lambda character: character != "\n", after)
            case "IN":
                return self._state(_in_set(argument), after)
            case "SUBPATTERN":
                return self._sequence(argument[3], after)
            case "BRANCH":
                return self._fork([self._sequence(branch, after) for branch in argument[1]])
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, repeated = argument
                return self._repeat(least, most, repeated, after)
            case "AT" if str(argument) in {"AT_BEGINNING", "AT_BEGINNING_STRING"}:
                return self._fork([after], _START)
            case "AT" if str(argument) in {"AT_END", "AT_END_STRING"}:
                return self._fork([after], _END)
        raise InvalidPatternError(f"the regular expression uses {kind}, which filter patterns do not have")

    def _repeat(self, least: int, most: int, parsed: Any, after: int) -> int:
        if most >= int(_parser.MAXREPEAT) and least <= _MOST_STATES:
            loop = self._state()
            self._free[loop] += [("", self._sequence(parsed, loop)), ("", after)]
            after = loop
        elif most > _MOST_STATES:  # what repeats may be empty, and then no state is made that would be counted
            raise InvalidPatternError("the regular expression is too large")
        else:
            for _ in range(most - least):
                after = self._fork([self._sequence(parsed, after), after])
        for _ in range(least):
            after = self._sequence(parsed, after)
        return after

    def _fork(self, targets: list[int], when: str = "") -> int:
        state = self._state()
        self._free[state] += [(when, target) for target in targets]
        return state


def _in_set(members: Any) -> _Test:
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    tests = [_member(str(kind), argument) for kind, argument in members[negated:]]
    return lambda character: any(test(character) for test in tests) != negated


def _member(kind: str, argument: Any) -> _Test:
    if kind == "LITERAL":
        return lambda character: character == chr(argument)
    if kind == "RANGE":
        low, high = argument
        return lambda character: low <= ord(character) <= high
    return _CATEGORIES[str(argument)]
