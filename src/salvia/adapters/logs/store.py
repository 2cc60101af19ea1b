"""The log store: the lines of runs as files, what clients put as rows, one catalogue over both."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from salvia.adapters.logs.catalogue import Catalogue, StreamRow
from salvia.adapters.logs.file_stream import FileStream
from salvia.adapters.logs.paths import group_folder, stream_file
from salvia.adapters.logs.records import Batch, Records
from salvia.adapters.logs.watch import Watch
from salvia.base.clock import Clock
from salvia.ports.logs import GroupKey, LastEvent, LogGroup, LogStream, Page, StreamKey, TimedText

_LOG = logging.getLogger(__name__)
_DAY = 86_400_000
_LATEST = 1 << 55  # ms; any later time is as good as this one
_SWEEP_SECONDS = 3600.0
_INLINE = 1 << 16  # bytes that are read on the loop itself; more goes to a thread


class FileLogStore:
    """LogStore and RunLogs (`runs`) on one folder, which several servers may share.

    `start` begins to watch the files that runs still write, those of servers that died too, and to delete what is
    past its retention. Reading works without it; only the times of lines are less exact then.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.clock = clock
        self.catalogue = Catalogue(folder / "catalogue.sqlite")
        self.records = Records(folder / "catalogue.sqlite", self.catalogue.db)
        self.watch = Watch(clock, self._open_files, lambda: self.catalogue.version)
        self.groups = Groups(self)
        self.streams = Streams(self)
        self.events = Events(self)
        self.runs = Runs(self)
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.watch.start()
        self._sweeping = asyncio.create_task(self._sweep_for_ever(), name="log-retention")

    async def stop(self) -> None:
        """Ends watching; runs keep writing, and the next `start` catches up. The store cannot be used any more."""
        await self.watch.stop()
        if self._sweeping:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        self.records.close()
        self.catalogue.close()

    @property
    def now(self) -> int:
        return round(self.clock.now() * 1000)

    def file(self, key: StreamKey) -> FileStream:
        return FileStream(stream_file(self.folder, key))

    def described(self, row: StreamRow) -> LogStream:
        if not row.open:
            return LogStream(row.id, row.key, row.created, row.first, row.last, row.ingested, row.bytes)
        file = self.file(row.key)
        file.refresh(self.now)
        size, first, last = file.bytes_and_times()
        return LogStream(row.id, row.key, row.created, first, last, last, size)

    def sweep(self) -> None:
        """Delete what is older than its group keeps events."""
        for row in self.catalogue.aged_streams():
            oldest = self.now - (row.retention or 0) * _DAY
            if not row.file:
                if row.first is not None and row.first < oldest:
                    self.records.drop_before(row.id, oldest)
                continue
            file = self.file(row.key)
            if not row.open and row.bytes and (row.last or 0) < oldest:
                file.remove()
                self.catalogue.note_facts(row.id, None, None, 0)
            else:
                file.free_before(oldest)
                if not row.open:
                    size, first, last = file.bytes_and_times()
                    self.catalogue.note_facts(row.id, first, last, size)

    def _open_files(self) -> list[FileStream]:
        return [self.file(row.key) for row in self.catalogue.open_streams()]

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                self.sweep()
            except OSError:
                _LOG.exception("deleting log events past their retention failed; it will be tried again")
            await asyncio.sleep(_SWEEP_SECONDS)


class Groups:
    """LogGroups."""

    def __init__(self, store: FileLogStore) -> None:
        self._store = store

    async def create(self, group: LogGroup) -> bool:
        return self._store.catalogue.add_group(group)

    async def find(self, key: GroupKey) -> LogGroup | None:
        return self._store.catalogue.group(key)

    async def stored_bytes(self, key: GroupKey) -> int:
        growing = [row.key for row in self._store.catalogue.open_streams() if row.key.of_group == key]
        return self._store.catalogue.ended_bytes(key) + sum(self._store.file(each).stored_bytes for each in growing)

    async def list(
        self, account: str, region: str, *, prefix: str = "", contains: str = "", after: str = "", limit: int = 50
    ) -> list[LogGroup]:
        return self._store.catalogue.groups(account, region, prefix=prefix, contains=contains, after=after, limit=limit)

    async def change(self, group: LogGroup) -> bool:
        return self._store.catalogue.change_group(group)

    async def delete(self, key: GroupKey) -> bool:
        # Files first: a crash in between leaves empty streams, never old events in a new stream of the same name.
        for row in self._store.catalogue.streams(key):
            self._store.file(row.key).remove()
        deleted = self._store.catalogue.drop_group(key)
        folder = group_folder(self._store.folder, key)
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
        return deleted


class Streams:
    """LogStreams."""

    def __init__(self, store: FileLogStore) -> None:
        self._store = store

    async def create(self, key: StreamKey, now: int) -> bool:
        return self._store.catalogue.add_stream(key, now)

    async def find(self, key: StreamKey) -> LogStream | None:
        row = self._store.catalogue.stream(key)
        return self._store.described(row) if row else None

    async def by_id(self, id: int) -> LogStream | None:  # noqa: A002 - the word of LogStream
        row = self._store.catalogue.stream_by_id(id)
        return self._store.described(row) if row else None

    async def by_last_event(
        self, group: GroupKey, *, prefix: str = "", since: int = 0, descending: bool = False
    ) -> Sequence[LastEvent]:
        found = [
            LastEvent(self._last_time(row) if row.open else row.last or 0, row.key.stream, row.id)
            for row in self._store.catalogue.streams(group, prefix=prefix, since=min(since, _LATEST))
        ]
        return sorted((each for each in found if each.time >= since), reverse=descending)

    def _last_time(self, row: StreamRow) -> int:
        file = self._store.file(row.key)
        file.refresh(self._store.now)
        return file.last_time()

    async def delete(self, key: StreamKey) -> bool:
        row = self._store.catalogue.stream(key)
        if row is None:
            return False
        file = self._store.file(key)
        self._store.watch.forget(file)
        file.remove()
        return self._store.catalogue.drop_stream(row.id)

    async def list(
        self, group: GroupKey, *, prefix: str = "", after: str = "", descending: bool = False, limit: int = 50
    ) -> Sequence[LogStream]:
        rows = self._store.catalogue.streams(group, prefix=prefix, after=after, descending=descending, limit=limit)
        return [self._store.described(row) for row in rows]


class Events:
    """LogEvents."""

    def __init__(self, store: FileLogStore) -> None:
        self._store = store

    async def read(
        self,
        key: StreamKey,
        *,
        forward: bool,
        position: int | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int = 10_000,
        size: int = 1 << 20,
    ) -> Page | None:
        row = self._store.catalogue.stream(key)
        if row is None:
            return None
        first = max(min(start or 0, _LATEST), self._store.now - row.retention * _DAY if row.retention else 0)
        end = None if end is None else min(end, _LATEST)
        if not row.file:
            read = self._store.records.forward if forward else self._store.records.backward
            return read(row.id, position, start=first, end=end, limit=limit, size=size)
        file = self._store.file(key)
        length = file.refresh(self._store.now) if row.open else row.bytes
        ask = file.forward if forward else file.backward
        if min(size, limit * 256, length - (position or 0)) <= _INLINE:
            return ask(position, start=first, end=end, limit=limit, size=size)
        return await asyncio.to_thread(ask, position, start=first, end=end, limit=limit, size=size)

    async def put(self, key: StreamKey, events: Sequence[tuple[int, str]], now: int) -> bool:
        row = self._store.catalogue.stream(key)
        if row is None:
            return False
        if row.file:
            raise PermissionError(f"the events of {key.stream} are what a run prints")
        return await self._store.records.put(Batch(row.id, events, now))

    async def text(self, key: StreamKey, position: int, size: int = 1 << 20) -> tuple[Sequence[TimedText], int] | None:
        row = self._store.catalogue.stream(key)
        if row is None:
            return None
        if not row.file:
            return self._store.records.text(row.id, position, size)
        file = self._store.file(key)
        length = file.refresh(self._store.now) if row.open else row.bytes
        if length - position <= _INLINE:
            return file.text(position, size)
        return await asyncio.to_thread(file.text, position, size)


class Runs:
    """RunLogs."""

    def __init__(self, store: FileLogStore) -> None:
        self._store = store

    async def open_file(self, account: str, region: str, group: str, stream: str) -> Path:
        key, catalogue = StreamKey(account, region, group, stream), self._store.catalogue
        catalogue.add_group(LogGroup(key.of_group, self._store.now))
        catalogue.add_stream(key, self._store.now)
        row = catalogue.stream(key)
        if row is None:
            raise LookupError(f"the log stream {stream} was deleted while it was being opened")
        file = self._store.file(key)
        file.create(self._store.now)
        if not row.open:
            catalogue.mark_file(row.id, is_open=True)
        self._store.watch.follow(file)
        return file.path

    async def tail(self, account: str, region: str, group: str, stream: str, size: int) -> str:
        return self._store.file(StreamKey(account, region, group, stream)).tail(size)

    async def close_file(self, account: str, region: str, group: str, stream: str) -> None:
        key = StreamKey(account, region, group, stream)
        row = self._store.catalogue.stream(key)
        if row is None or not row.open:
            return
        file = self._store.file(key)
        self._store.watch.forget(file)
        file.refresh(self._store.now, closing=True)
        size, first, last = file.bytes_and_times()
        self._store.catalogue.note_facts(row.id, first, last, size)
        self._store.catalogue.mark_file(row.id, is_open=False)
