"""The events of one run: the lines of its log file, with the times of the index beside it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from salvia.adapters.logs.hole import punch_hole
from salvia.adapters.logs.lines import BLOCK, Span, first_start, shown, spans
from salvia.adapters.logs.times import Entry, TimeIndex
from salvia.ports.logs import Event, Page, TimedText

_PAGE = 4096
_WINDOW = 1 << 20  # bytes read at once, at most
_OVERHEAD = 26  # bytes that CloudWatch Logs counts for each event beside its text
_IDLE = 1_000  # ms after which an unfinished line is shown as it is


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
        return self.size - self._freed()

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
            if idle and seen.st_size and not last.cut and self._unfinished(seen.st_size):
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
            events: list[Event] = []
            last, room, window = low, size, _first_window(limit)
            while low < visible:
                pieces, entries = self._between(index, low, min(low + window, visible))
                if not pieces and low + window >= visible:
                    break
                window = min(window * 4, _WINDOW) if pieces else window + _WINDOW
                for piece, time in zip(pieces, _times(pieces, entries), strict=True):
                    if time < start or not piece.raw:
                        continue
                    text = shown(piece.raw)
                    cost = len(text.encode()) + _OVERHEAD if not text.isascii() else len(text) + _OVERHEAD
                    if end is not None and time >= end:
                        return Page(events, events[0].position if events else low, last, more=False)
                    if len(events) == limit or (cost > room and events):
                        return Page(events, events[0].position, last, more=True)
                    events.append(Event(piece.start, time, time, text))
                    room -= cost
                    last = piece.end
                low = pieces[-1].end if pieces else low
        return Page(events, events[0].position if events else last, last, more=False)

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
            events: list[Event] = []
            room, window, last, floor = size, _first_window(limit), None, self._floor()
            while high > floor:
                low = max(self._start_near(index, max(high - window, 0)), floor)
                pieces, entries = self._between(index, low, high, ends=ends)
                window = min(window * 4, _WINDOW)
                for piece, time in zip(reversed(pieces), reversed(_times(pieces, entries)), strict=True):
                    if time < start:
                        return _backward_page(events, position, last, more=False)
                    if not piece.raw or (end is not None and time >= end):
                        continue
                    text = shown(piece.raw)
                    cost = len(text.encode()) + _OVERHEAD
                    if len(events) == limit or (cost > room and events):
                        return _backward_page(events, position, last, more=True)
                    events.append(Event(piece.start, time, time, text))
                    room -= cost
                    last = piece.end if last is None else last
                high, ends = low, True
        return _backward_page(events, position, last, more=False)

    def text(self, position: int, size: int) -> tuple[list[TimedText], int]:
        """Timed text for machines: pieces end with whole lines, one piece for each observation of the index."""
        with TimeIndex(self._index) as index:
            visible = min(index.last.offset, self.size)
            position = max(position, self._floor())
            window = min(size, visible - position)
            while window > 0:
                pieces, entries = self._between(index, position, position + window)
                if pieces:
                    return _grouped(pieces, _times(pieces, entries)), pieces[-1].end
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

    def _between(self, index: TimeIndex, low: int, high: int, *, ends: bool = False) -> tuple[list[Span], list[Entry]]:
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
        pieces, _ = self._between(index, start, offset)
        return pieces[-1].end if pieces else start

    def _start_of(self, index: TimeIndex, entry: int) -> int:
        """The start of the first event that may end within the entry of this number, or the end of what is seen."""
        if entry >= len(index):
            return self._start_near(index, index.last.offset)
        return self._start_near(index, index[entry - 1].offset) if entry else 0

    def _freed(self) -> int:
        """How many bytes at the beginning are a hole."""
        if not self.size:
            return 0
        with self.path.open("rb", buffering=0) as file:
            try:
                return os.lseek(file.fileno(), 0, os.SEEK_DATA)
            except OSError:  # nothing but a hole
                return self.size

    def _floor(self) -> int:
        """The start of the first whole event that has not been freed."""
        freed = self._freed()
        newline = self._bytes(freed, freed + 3 * BLOCK).find(b"\n") if freed else -1
        return freed + newline + 1

    def _bytes(self, low: int, high: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), high - low, low)

    def _unfinished(self, size: int) -> bool:
        return self._bytes(size - 1, size) != b"\n"


def _first_window(limit: int) -> int:
    return min(max(limit * 256, 1 << 14), _WINDOW)


def _backward_page(events: list[Event], position: int | None, last: int | None, *, more: bool) -> Page:
    events.reverse()
    if not events:
        return Page(events, position or 0, position or 0, more)
    return Page(events, events[0].position, last or 0, more)


def _times(pieces: Sequence[Span], entries: Sequence[Entry]) -> list[int]:
    """The time of each event: of the first entry that covers its end."""
    times: list[int] = []
    number, before = 0, entries[0] if entries else Entry(0, 0)
    for piece in pieces:
        end = piece.end
        while number < len(entries) - 1 and entries[number].offset < end:
            before = entries[number]
            number += 1
        entry = entries[number]
        if entry.gap and entry.offset > before.offset:
            share = (end - before.offset) / (entry.offset - before.offset)
            times.append(before.time + round((entry.time - before.time) * min(max(share, 0.0), 1.0)))
        else:
            times.append(entry.time)
    return times


def _grouped(pieces: Sequence[Span], times: Sequence[int]) -> list[TimedText]:
    return [TimedText(time, shown(raw)) for time, raw in _runs(pieces, times)]


def _runs(pieces: Sequence[Span], times: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Neighbours of one time, joined."""
    lines: list[bytes] = []
    current = 0
    for piece, time in zip(pieces, times, strict=True):
        if time != current and lines:
            yield current, b"\n".join(lines)
            lines = []
        current = time
        lines.append(piece.raw)
    if lines:
        yield current, b"\n".join(lines)
