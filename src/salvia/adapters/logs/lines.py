"""A log file whose lines are events: cutting it into events, and the text clients see of them.

Where events end depends only on the bytes and the cuts near the end in question, so that every reader, from either
side, finds the same events: after each newline, at each cut of the index (an unfinished line that was shown), and
inside lines longer than BLOCK at multiples of BLOCK (moved back to the start of a character) that are at least BLOCK
bytes behind the last natural end. No event is as long as 256 KiB, the size that CloudWatch Logs long allowed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

BLOCK = 130_000

_SHOWN = bytes((10, *range(32, 127), *range(128, 256)))  # bytes that are shown as they are


class Spans(NamedTuple):
    """Events: where each starts and ends (newline included) in the file, and its bytes without the newline."""

    starts: Sequence[int]
    ends: Sequence[int]
    raws: Sequence[bytes]


def spans(raw: bytes, start: int, cuts: Sequence[int], *, ends: bool = False) -> Spans:
    """The events in `raw`, which begins at `start`, the start of an event.

    What follows the last sure end is left out, unless `ends` says that an event ends where `raw` does.
    """
    *lines, rest = raw.split(b"\n")
    bounds = list(accumulate((len(line) + 1 for line in lines), initial=start))
    uncut = bisect_right(cuts, start) == bisect_right(cuts, bounds[-1])
    if uncut and max(map(len, lines), default=0) < BLOCK:
        found = Spans(bounds[:-1], bounds[1:], lines)
    else:
        found = _columns(
            piece
            for line, (first, last) in zip(lines, pairwise(bounds), strict=True)
            for piece in _divided(line, first, last, cuts)
        )
    if not rest:
        return found
    end = start + len(raw)
    pieces = list(_divided(rest, bounds[-1], end, cuts))
    if not ends and end not in cuts:
        pieces.pop()
    more = _columns(pieces)
    return Spans([*found.starts, *more.starts], [*found.ends, *more.ends], [*found.raws, *more.raws])


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
    for byte in set(raw.translate(None, delete=_SHOWN)):
        raw = raw.replace(bytes((byte,)), b"#%03o" % byte)
    return raw.decode("utf-8", "replace")


def _columns(pieces: Iterable[tuple[int, int, bytes]]) -> Spans:
    rows = list(pieces)
    return Spans([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def _divided(line: bytes, start: int, end: int, cuts: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    """The pieces of one line or unfinished line; the last reaches `end`."""
    stop = start + len(line)
    naturals = [start, *cuts[bisect_right(cuts, start) : bisect_left(cuts, end)], end]
    for first, last in pairwise(naturals):
        piece = first
        for forced in range(-(-(first + BLOCK) // BLOCK) * BLOCK, min(last, stop), BLOCK):
            boundary = _character_start(line, forced - start) + start
            yield piece, boundary, line[piece - start : boundary - start]
            piece = boundary
        yield piece, last, line[piece - start : min(last, stop) - start]


def _character_start(raw: bytes, at: int) -> int:
    """Where the character that holds byte `at` starts, looking back three bytes at most."""
    for back in range(min(4, at + 1)):
        if raw[at - back] & 0xC0 != 0x80:
            return at - back
    return at
