"""A log file whose lines are events: cutting it into events, and the text clients see of them.

Where events end depends only on the bytes and the cuts near the end in question, so that every reader, from either
side, finds the same events: after each newline, at each cut of the index (an unfinished line that was shown), and
inside lines longer than BLOCK at multiples of BLOCK (moved back to the start of a character) that are at least BLOCK
bytes behind the last natural end. No event is as long as 256 KiB, the size that CloudWatch Logs long allowed.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

BLOCK = 130_000

_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


class Span(NamedTuple):
    """One event: its bytes without the newline, and where it starts and ends (newline included) in the file."""

    start: int
    end: int
    raw: bytes


def spans(raw: bytes, start: int, cuts: Sequence[int], *, ends: bool = False) -> list[Span]:
    """The events in `raw`, which begins at `start`, the start of an event.

    What follows the last sure end is left out, unless `ends` says that an event ends where `raw` does.
    """
    found: list[Span] = []
    position = start
    lines = raw.split(b"\n")
    rest = lines.pop()
    next_cut = bisect_right(cuts, start)
    for line in lines:
        end = position + len(line) + 1
        if len(line) >= BLOCK or (next_cut < len(cuts) and cuts[next_cut] < end):
            found.extend(_divided(line, position, end, cuts))
            next_cut = bisect_right(cuts, end)
        else:
            found.append(Span(position, end, line))
        position = end
    if rest:
        end = position + len(rest)
        pieces = list(_divided(rest, position, end, cuts))
        if not ends and (end not in cuts):
            pieces.pop()
        found.extend(pieces)
    return found


def first_start(raw: bytes, start: int, cuts: Sequence[int]) -> int:
    """The first sure start of an event in `raw`; `raw` begins anywhere and is at least two BLOCKs long."""
    newline = raw.find(b"\n")
    ends = [cut for cut in cuts if start <= cut < start + len(raw)][:1]
    if newline >= 0:
        ends.append(start + newline + 1)
    forced = -(-(start + BLOCK) // BLOCK) * BLOCK
    if not ends or min(ends) > forced:
        ends.append(_character_start(raw, forced - start) + start)
    return min(ends)


def shown(raw: bytes) -> str:
    """The text as AWS shows it: control characters as # and three octal digits, what is not UTF-8 replaced."""
    return escaped(raw).decode("utf-8", "replace")


def escaped(raw: bytes) -> bytes:
    while found := _CONTROL.search(raw):
        raw = raw.replace(found[0], b"#%03o" % found[0][0])
    return raw


def _divided(line: bytes, start: int, end: int, cuts: Sequence[int]) -> Iterator[Span]:
    """The pieces of one line or unfinished line; the last reaches `end`."""
    stop = start + len(line)
    naturals = [start, *(cut for cut in cuts if start < cut < end), end]
    for first, last in pairwise(naturals):
        piece = first
        for forced in range(-(-(first + BLOCK) // BLOCK) * BLOCK, min(last, stop), BLOCK):
            boundary = _character_start(line, forced - start) + start
            yield Span(piece, boundary, line[piece - start : boundary - start])
            piece = boundary
        yield Span(piece, last, line[piece - start : min(last, stop) - start])


def _character_start(raw: bytes, at: int) -> int:
    """Where the character that holds byte `at` starts, looking back three bytes at most."""
    for back in range(min(4, at + 1)):
        if raw[at - back] & 0xC0 != 0x80:
            return at - back
    return at
