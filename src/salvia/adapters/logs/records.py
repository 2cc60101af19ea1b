"""Events that clients put: rows of SQLite, on the disk before they are acknowledged."""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from salvia.adapters.logs.catalogue import connect, transaction
from salvia.ports.logs import Event, Page, TimedText

_OVERHEAD = 26
_NUMBER_BITS = 40  # of a position: below the timestamp, the number of the event in its stream
_END = 1 << 55  # ms
_NUMBER = (1 << _NUMBER_BITS) - 1


class Batch(NamedTuple):
    stream: int
    events: Sequence[tuple[int, str]]
    now: int


class Records:
    """Puts are written by one thread, all that wait in one transaction with one sync; reads come from the caller's."""

    def __init__(self, path: Path, reader: sqlite3.Connection) -> None:
        self._path = path
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-events")
        self._waiting: list[tuple[Batch, asyncio.Future[bool]]] = []
        self._writer: sqlite3.Connection | None = None
        self._writing: asyncio.Task[None] | None = None

    async def put(self, batch: Batch) -> bool:
        """False when the stream is gone."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await done

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        if self._writer:
            self._writer.close()

    def forward(self, stream: int, position: int | None, *, start: int, end: int | None, limit: int, size: int) -> Page:
        low = max(position or 0, start << _NUMBER_BITS)
        rows = self._reader.execute(
            "SELECT timestamp, number, ingested, message FROM events"
            " WHERE stream=? AND (timestamp, number) >= (?, ?) AND timestamp < ?"
            " ORDER BY timestamp, number LIMIT ?",
            (stream, low >> _NUMBER_BITS, low & _NUMBER, _END if end is None else end, limit + 1),
        )
        events, more = _fitting(rows, limit, size)
        after = events[-1].position + 1 if events else low
        return Page(events, events[0].position if events else low, after, more)

    def backward(
        self, stream: int, position: int | None, *, start: int, end: int | None, limit: int, size: int
    ) -> Page:
        high = _END << _NUMBER_BITS if position is None else position
        rows = self._reader.execute(
            "SELECT timestamp, number, ingested, message FROM events"
            " WHERE stream=? AND (timestamp, number) < (?, ?) AND timestamp >= ? AND timestamp < ?"
            " ORDER BY timestamp DESC, number DESC LIMIT ?",
            (stream, high >> _NUMBER_BITS, high & _NUMBER, start, _END if end is None else end, limit + 1),
        )
        events, more = _fitting(rows, limit, size)
        if not events:
            return Page(events, position or 0, position or 0, more)
        events.reverse()
        return Page(events, events[0].position, events[-1].position + 1, more)

    def text(self, stream: int, position: int, size: int) -> tuple[list[TimedText], int]:
        page = self.forward(stream, position, start=0, end=None, limit=10_000, size=size)
        return [TimedText(event.timestamp, event.message) for event in page.events], page.forward

    def drop_before(self, stream: int, time: int) -> None:
        """Forget the events before `time` for good."""
        with transaction(self._reader):
            self._reader.execute("DELETE FROM events WHERE stream=? AND timestamp<?", (stream, time))
            self._reader.execute(
                "UPDATE streams SET (first, last, bytes) = (SELECT min(timestamp), max(timestamp),"
                " coalesce(sum(length(CAST(message AS BLOB)) + 26), 0) FROM events WHERE stream=streams.id) WHERE id=?",
                (stream,),
            )

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken, self._waiting = self._waiting, []
            try:
                kept = await loop.run_in_executor(self._thread, self._commit, [batch for batch, _ in taken])
            except (sqlite3.Error, asyncio.CancelledError) as error:
                for _, done in taken:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (_, done), ok in zip(taken, kept, strict=True):
                if not done.done():
                    done.set_result(ok)

    def _commit(self, batches: list[Batch]) -> list[bool]:
        self._writer = self._writer or connect(self._path, durable=True)
        with transaction(self._writer):
            return [_insert(self._writer, batch) for batch in batches]


def _insert(db: sqlite3.Connection, batch: Batch) -> bool:
    row = db.execute("SELECT next FROM streams WHERE id=?", (batch.stream,)).fetchone()
    if row is None:
        return False
    times = [time for time, _ in batch.events]
    db.executemany(
        "INSERT INTO events (stream, timestamp, number, ingested, message) VALUES (?,?,?,?,?)",
        [
            (batch.stream, time, number, batch.now, message)
            for number, (time, message) in enumerate(batch.events, row[0])
        ],
    )
    size = sum(len(message.encode("utf-8", "replace")) + _OVERHEAD for _, message in batch.events)
    db.execute(
        "UPDATE streams SET next=next+?, bytes=bytes+?, ingested=max(coalesce(ingested, 0), ?),"
        " first=min(coalesce(first, ?), ?), last=max(coalesce(last, ?), ?) WHERE id=?",
        (len(times), size, batch.now, times[0], times[0], times[-1], times[-1], batch.stream),
    )
    return True


def _fitting(rows: sqlite3.Cursor, limit: int, size: int) -> tuple[list[Event], bool]:
    """As many events as limit and size allow, and whether one was left out."""
    events: list[Event] = []
    for timestamp, number, ingested, message in rows:
        size -= len(message.encode()) + _OVERHEAD
        if len(events) == limit or (size < 0 and events):
            return events, True
        events.append(Event(timestamp << _NUMBER_BITS | number, timestamp, ingested, message))
    return events, False
