"""Applies users' regular expressions to lines, in a process of its own: a bad one must not stop the server.

Reads one JSON request a line from standard input, {"patterns": [[pattern, [line, ...]], ...], "seconds": s}, and
writes one JSON answer a line, [{"values": [[line number, text], ...], "slow": bool}, ...]. A line that takes more than
s seconds of CPU is given up; after three of them the rest of the pattern's lines are. Imports nothing of the project.
"""

import json
import re
import signal
import sys
import warnings
from typing import Any

_PATIENCE = 3  # lines that may take too long


class TooSlowError(Exception):
    pass


def matched(pattern: str, lines: list[str], seconds: float) -> dict[str, Any]:
    compiled = re.compile(pattern)
    values: list[tuple[int, str]] = []
    slow = number = 0
    while number < len(lines) and slow < _PATIENCE:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            for number in range(number, len(lines)):  # noqa: B020 - goes on behind the line given up
                values.extend((number, text) for text in _values(compiled, lines[number]))
            break
        except TooSlowError:
            slow += 1
            number += 1
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return {"values": values, "slow": slow == _PATIENCE}


def _values(compiled: "re.Pattern[str]", line: str) -> list[str]:
    group = 1 if compiled.groups else 0
    return [match[group] for match in compiled.finditer(line) if match[group] is not None]


def _too_slow(*_: object) -> None:
    raise TooSlowError


def main() -> None:
    signal.signal(signal.SIGVTALRM, _too_slow)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then closes the pipe
    warnings.simplefilter("ignore")
    for request in sys.stdin.buffer:
        asked = json.loads(request)
        answer = [matched(pattern, lines, asked["seconds"]) for pattern, lines in asked["patterns"]]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
