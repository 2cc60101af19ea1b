"""The events of one run: the lines of its log file, with the times of the index beside it."""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, cast

from salvia.adapters.logs.hole import hole_length, punch_hole
from salvia.adapters.logs.lines import BLOCK, Spans, first_start, shown, spans
from salvia.adapters.logs.times import Entry, TimeIndex
from salvia.ports.logs import Event, Page, TimedText

_event = cast(Callable[[tuple[int, int, int, str]], Event], partial(tuple.__new__, Event))  # a third of Event()'s time
_PAGE = 4096
_WINDOW = 1 << 20  # bytes read at once, at most
_OVERHEAD = 26  # bytes that CloudWatch Logs counts for each event beside its text
_IDLE = 1_000  # ms after which an unfinished line is shown as it is


class _Window(NamedTuple):
    """Events of a range of bytes, where they end and what they count; and where the last line of the range ends.

    `early` and `late` tell that there were lines before and after the range of time.
    """

    events: list[Event]
    ends: Sequence[int]
    costs: list[int]
    reached: int
    early: bool
    late: bool


class FileStream:
    """Reads and observes one file. Holds nothing open between calls; every call may come from another thread.

    A position is a byte offset. Lines without any character are no events.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = path.with_suffix(".times")

    @property
    def size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    @property
    def stored_bytes(self) -> int:
        """The size without what was freed."""
        return self.size - hole_length(self.path)

    def create(self, now: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        with TimeIndex(self._index, writable=True) as index:
            if not len(index):
                index.sign_of_life(now)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._index.unlink(missing_ok=True)

    def refresh(self, now: int, *, closing: bool = False) -> int:
        """Observe the file's size, end an idle unfinished line, and return the size."""
        try:
            seen = os.stat(self.path)
        except FileNotFoundError:
            return 0
        modified = seen.st_mtime_ns // 1_000_000
        with TimeIndex(self._index, writable=True) as index:
            if seen.st_size > index.last.offset:
                index.observe(seen.st_size, modified, now)
            last = index.last
            idle = closing or now - max(modified, last.time) > _IDLE
            if idle and seen.st_size and not last.cut and self._bytes(seen.st_size - 1, seen.st_size) != b"\n":
                index.cut(seen.st_size, now)
        return seen.st_size

    def sign_of_life(self, now: int) -> None:
        if self._index.exists():
            with TimeIndex(self._index, writable=True) as index:
                index.sign_of_life(now)

    def bytes_and_times(self) -> tuple[int, int | None, int | None]:
        """Size, and the first and last event's time (None when there is none), without observing anew."""
        first = self.forward(0, limit=1).events
        last = self.backward(None, limit=1).events
        return self.stored_bytes, first[0].timestamp if first else None, last[0].timestamp if last else None

    def free_before(self, time: int) -> None:
        """Give the disk space of what is older than `time` back; offsets stay as they are."""
        with TimeIndex(self._index) as index:
            entry = index.since(time)
            old = index[entry - 1].offset if entry else 0
        if old >= _WINDOW and self.path.exists():
            punch_hole(self.path, old // _PAGE * _PAGE)

    def last_time(self) -> int:
        with TimeIndex(self._index) as index:
            return index.last.time

    def forward(
        self, position: int | None, *, start: int = 0, end: int | None = None, limit: int = 10_000, size: int = _WINDOW
    ) -> Page:
        """Events from `position` on: the page's bounds stay where they were while nothing follows."""
        with TimeIndex(self._index) as index:
            visible = min(index.last.offset, self.size)
            low = max(position or 0, self._floor())
            if start:
                low = max(low, self._start_of(index, index.since(start)))
            page = Page([], low, low, more=False)
            room, width = size, _first_width(limit)
            while low < visible and not page.more:
                window = self._window(index, low, min(low + width, visible), start, end)
                taken = _fitting(window.costs, limit - len(page.events), room, least=not page.events)
                if taken:
                    events = [*page.events, *window.events[:taken]]
                    more = taken < len(window.events)
                    page = Page(events, events[0].position, window.ends[taken - 1], more=more)
                    room -= sum(window.costs[:taken])
                elif window.events:
                    page = page._replace(more=True)
                if window.late or (window.reached == low and low + width >= visible):
                    break
                width = min(width * 4, _WINDOW) if window.reached > low else width + _WINDOW
                low = window.reached
        return page

    def backward(
        self,
        position: int | None,
        *,
        start: int = 0,
        end: int | None = None,
        limit: int = 10_000,
        size: int = _WINDOW,
    ) -> Page:
        """The last events before `position`."""
        with TimeIndex(self._index) as index:
            visible = min(index.last.offset, self.size)
            high = visible if position is None else min(position, visible)
            ends = position is not None and high == position
            if end is not None:
                entry = index.since(end)
                if entry < len(index) and index[entry].offset < high:
                    high, ends = index[entry].offset, False
            page = Page([], position or 0, position or 0, more=False)
            room, width, floor = size, _first_width(limit), self._floor()
            while high > floor and not page.more:
                low = max(self._start_near(index, max(high - width, 0)), floor)
                window = self._window(index, low, high, start, end, ends=ends)
                taken = _fitting(window.costs[::-1], limit - len(page.events), room, least=not page.events)
                if taken:
                    events = [*window.events[-taken:], *page.events]
                    last = page.forward if page.events else window.ends[-1]
                    page = Page(events, events[0].position, last, more=taken < len(window.events))
                    room -= sum(window.costs[-taken:])
                elif window.events:
                    page = page._replace(more=True)
                if window.early:
                    break
                width = min(width * 4, _WINDOW)
                high, ends = low, True
        return page

    def text(self, position: int, size: int) -> tuple[list[TimedText], int]:
        """Timed text for machines: pieces end with whole lines, one piece for each observation of the index."""
        with TimeIndex(self._index) as index:
            visible = min(index.last.offset, self.size)
            position = max(position, self._floor())
            window = min(size, visible - position)
            while window > 0:
                found, entries = self._between(index, position, position + window)
                if found.ends:
                    return _by_time(found.raws, _times(found.ends, entries)), found.ends[-1]
                if position + window >= visible:
                    break
                window = min(window + _WINDOW, visible - position)
        return [], position

    def tail(self, size: int) -> str:
        """The last `size` bytes as clients see them, from the start of a line, unfinished last line included."""
        try:
            with self.path.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                before = max(length - size - 1, 0)
                file.seek(before)
                raw = file.read(length - before)
        except FileNotFoundError:
            return ""
        if before or length > size:
            raw = raw.partition(b"\n")[2] or raw[-size:]
        return "\n".join(shown(line) for line in raw.split(b"\n"))

    def _window(
        self, index: TimeIndex, low: int, high: int, start: int, end: int | None, *, ends: bool = False
    ) -> "_Window":
        """The events of [low, high) whose time lies in [start, end)."""
        found, entries = self._between(index, low, high, ends=ends)
        times = _times(found.ends, entries)
        first = bisect_left(times, start)
        last = len(times) if end is None else bisect_left(times, end)
        part = slice(first, last)
        joined = shown(b"\n".join(found.raws[part]))
        texts = joined.split("\n") if last > first else []
        sizes = list(map(len, texts)) if joined.isascii() else [len(text.encode()) for text in texts]
        events = list(map(_event, zip(found.starts[part], times[part], times[part], texts, strict=True)))
        ends_of_events = found.ends[part]
        if 0 in sizes:  # lines without a character are no events
            full = [number for number, size in enumerate(sizes) if size]
            events, sizes = [events[number] for number in full], [sizes[number] for number in full]
            ends_of_events = [ends_of_events[number] for number in full]
        return _Window(
            events,
            ends_of_events,
            [size + _OVERHEAD for size in sizes],
            found.ends[-1] if found.ends else low,
            early=first > 0,
            late=last < len(times),
        )

    def _between(self, index: TimeIndex, low: int, high: int, *, ends: bool = False) -> tuple[Spans, list[Entry]]:
        """The events of [low, high) and the entries that tell their times; `low` is the start of an event."""
        entries = index.covering(low, high)
        cuts = [entry.offset for entry in entries if entry.cut]
        return spans(self._bytes(low, high), low, cuts, ends=ends), entries

    def _start_near(self, index: TimeIndex, offset: int) -> int:
        """The start of an event at or before `offset`; at most four BLOCKs before, or the beginning of the file."""
        low = max(offset - 3 * BLOCK, 0)
        if low == 0:
            start = 0
        else:
            cuts = [entry.offset for entry in index.covering(low, offset) if entry.cut]
            start = first_start(self._bytes(low, max(offset, low + 3 * BLOCK)), low, cuts)
        found, _ = self._between(index, start, offset)
        return found.ends[-1] if found.ends else start

    def _start_of(self, index: TimeIndex, entry: int) -> int:
        """The start of the first event that may end within the entry of this number, or the end of what is seen."""
        if entry >= len(index):
            return self._start_near(index, index.last.offset)
        return self._start_near(index, index[entry - 1].offset) if entry else 0

    def _floor(self) -> int:
        """The start of the first whole event that has not been freed."""
        freed = hole_length(self.path)
        newline = self._bytes(freed, freed + 3 * BLOCK).find(b"\n") if freed else -1
        return freed + newline + 1

    def _bytes(self, low: int, high: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), high - low, low)


def _first_width(limit: int) -> int:
    return min(max(limit * 256, 1 << 14), _WINDOW)


def _fitting(costs: Sequence[int], limit: int, room: int, *, least: bool) -> int:
    """How many of the events there is room for; `least` is the number that goes in whatever its size."""
    fitting = bisect_right(list(accumulate(costs)), room)
    return min(max(fitting, least), limit, len(costs))


def _times(ends: Sequence[int], entries: Sequence[Entry]) -> list[int]:
    """The time of the event with each end: of the first entry that covers it."""
    times: list[int] = []
    before = entries[0] if entries else Entry(0, 0)
    for entry in entries:
        covered = bisect_right(ends, entry.offset, lo=len(times))
        if entry.gap and entry.offset > before.offset:
            slope = (entry.time - before.time) / (entry.offset - before.offset)
            spread = [before.time + round(slope * (end - before.offset)) for end in ends[len(times) : covered]]
            times += [min(max(time, before.time), entry.time) for time in spread]
        else:
            times += [entry.time] * (covered - len(times))
        before = entry
    return times


def _by_time(raws: Sequence[bytes], times: Sequence[int]) -> list[TimedText]:
    """Neighbours of one time, joined."""
    return [
        TimedText(time, shown(b"\n".join(raw for raw, _ in group)))
        for time, group in groupby(zip(raws, times, strict=True), key=itemgetter(1))
    ]
