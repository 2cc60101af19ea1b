"""The sparse index of times beside a log file: when the file was seen to have reached which size.

One entry an observation, 16 bytes: milliseconds and two flags, then the offset. Times and offsets never shrink from
one entry to the next, so both can be searched by halves; an entry, once written, is never changed. A line's time is
that of the first entry that covers its end. Several processes may observe one file: the index is locked to append.
"""

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

_ENTRY = struct.Struct("<QQ")
_GAP = 1  # nobody watched while the bytes since the entry before came: spread their lines over the time between
_CUT = 2  # an unfinished line was shown up to here: the event ends here for good
_UNWATCHED = 2_000  # ms without a sign of life from any watcher


class Entry(NamedTuple):
    time: int
    offset: int
    gap: bool = False
    cut: bool = False


class TimeIndex:
    """Opened for one operation; use as a context. A missing index reads as empty."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self._fd = -1
        self._writable = writable
        self._count = 0

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND if self._writable else os.O_RDONLY
        try:
            self._fd = os.open(self.path, flags | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return self
        self._count = os.fstat(self._fd).st_size // _ENTRY.size  # a torn last entry does not count
        return self

    def __exit__(self, *exc: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Entry:
        return _decoded(*_ENTRY.unpack(os.pread(self._fd, _ENTRY.size, number * _ENTRY.size)))

    @property
    def last(self) -> Entry:
        return self[self._count - 1] if self._count else Entry(0, 0)

    @property
    def watched(self) -> int:
        """When a watcher last gave a sign of life, in ms; 0 without an index."""
        return int(os.fstat(self._fd).st_mtime_ns // 1_000_000) if self._fd >= 0 else 0

    def sign_of_life(self, now: int) -> None:
        os.utime(self._fd, ns=(now * 1_000_000, now * 1_000_000))

    def observe(self, size: int, modified: int, now: int) -> None:
        """Note that the file has `size` bytes and was last written at `modified`."""
        with self._locked():
            last = self.last
            if size > last.offset:
                watched = max(last.time, min(self.watched, now))
                time = min(max(modified, watched), max(now, watched))
                gap = now - watched > _UNWATCHED
                if gap:
                    self._append(Entry(watched, last.offset))
                self._append(Entry(time, size, gap=gap))
            self.sign_of_life(now)

    def cut(self, size: int, now: int) -> None:
        """End the unfinished line at `size`; nothing happens when the file was already seen longer, or cut there."""
        with self._locked():
            last = self.last
            if last.offset == size and not last.cut:
                self._append(Entry(max(last.time, min(now, last.time + _UNWATCHED)), size, cut=True))

    def reaching(self, offset: int) -> int:
        """The number of the first entry whose offset is at least `offset`."""
        return self._first(lambda entry: entry.offset >= offset)

    def since(self, time: int) -> int:
        """The number of the first entry at or after `time`."""
        return self._first(lambda entry: entry.time >= time)

    def covering(self, low: int, high: int) -> list[Entry]:
        """The entry before `low`, and all up to the first that reaches `high`, cuts at `high` included."""
        first = max(self.reaching(low + 1) - 1, 0)
        last = min(self.reaching(high + 1) + 1, self._count)
        raw = os.pread(self._fd, (last - first) * _ENTRY.size, first * _ENTRY.size) if last > first else b""
        return [_decoded(*pair) for pair in _ENTRY.iter_unpack(raw)]

    def _first(self, reached: Callable[[Entry], bool]) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if reached(self[middle]):
                high = middle
            else:
                low = middle + 1
        return low

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            length = os.fstat(self._fd).st_size
            self._count = length // _ENTRY.size
            if length % _ENTRY.size:
                os.ftruncate(self._fd, self._count * _ENTRY.size)  # torn by a crash
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _append(self, entry: Entry) -> None:
        flags = (_GAP if entry.gap else 0) | (_CUT if entry.cut else 0)
        os.write(self._fd, _ENTRY.pack(entry.time << 2 | flags, entry.offset))
        self._count += 1


def _decoded(packed: int, offset: int) -> Entry:
    return Entry(packed >> 2, offset, bool(packed & _GAP), bool(packed & _CUT))
