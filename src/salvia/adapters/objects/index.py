"""The index of the embedded store: an SQLite file, read inline, written by one thread that commits in groups.

Writers that come together share one transaction and so one fsync (synchronous=FULL: what was acknowledged survives a loss
of power). Two servers may open the same file: SQLite lets one write at a time, and both see what is committed.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]

_GROUP = 256
SCHEMA = """
create table if not exists buckets(
    name text primary key, account text not null, region text not null, created real not null,
    versioning text not null default '', documents text not null default '{}') without rowid;
create table if not exists contents(
    id integer primary key, file text, size integer not null, refs integer not null, data blob);
create unique index if not exists contents_by_file on contents(file) where file is not null;
create table if not exists versions(
    bucket text not null, key text not null, seq integer not null, version text not null,
    latest integer not null, marker integer not null, size integer not null, etag text not null, modified real not null,
    storage_class text not null, checksum_type text not null, checksums text not null,
    attributes text not null, tags text not null, parts text not null, extents text not null,
    primary key(bucket, key, seq desc)) without rowid;
create index if not exists objects on versions(bucket, key) where latest = 1 and marker = 0;
create table if not exists uploads(
    id text primary key, bucket text not null, key text not null, account text not null, started real not null,
    attributes text not null, tags text not null, algorithm text not null, checksum_type text not null) without rowid;
create index if not exists uploads_by_key on uploads(bucket, key, started, id);
create table if not exists parts(
    upload text not null, number integer not null, size integer not null, etag text not null, modified real not null,
    checksums text not null, extents text not null, primary key(upload, number)) without rowid;
create table if not exists garbage(file text primary key, freed real not null) without rowid;
"""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    return connection


class Index:
    """`read` is for the event loop's thread; `write` runs a change in the writer's thread and returns what it returned.

    A change that raises undoes what it did, and nothing of the others in its group.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.read = _connect(path)
        self.read.executescript(SCHEMA)
        self._connection = _connect(path)
        self._waiting: queue.SimpleQueue[tuple[Change[Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="object index", daemon=True)
        self._thread.start()

    async def write(self, change: Change[T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put((change, future))
        # shielded: who stops waiting does not stop the change
        return await asyncio.shield(future)

    def reader(self) -> sqlite3.Connection:
        """A connection of its own, for a thread that reads much; to be closed there."""
        return sqlite3.connect(self._path, timeout=30, isolation_level=None)

    def close(self) -> None:
        """Finish what waits, then close."""
        self._waiting.put(None)
        self._thread.join()
        self._connection.close()
        self.read.close()

    def _work(self) -> None:
        open_ = True
        while open_:
            item = self._waiting.get()
            group = []
            while item is not None:
                group.append(item)
                if len(group) == _GROUP or self._waiting.empty():
                    break
                item = self._waiting.get()
            open_ = item is not None
            if group:
                _deliver(self._commit([change for change, _ in group]), [future for _, future in group])

    def _commit(self, changes: list[Change[Any]]) -> list[tuple[Any, Exception | None]]:
        connection = self._connection
        results: list[tuple[Any, Exception | None]] = []
        try:
            connection.execute("begin immediate")
            for change in changes:
                results.append(_attempt(connection, change))  # noqa: PERF401 — what came before must survive a raise
            connection.execute("commit")
        except Exception as error:  # noqa: BLE001 — the disk is full or the file locked: nobody in the group is acknowledged
            if connection.in_transaction:
                connection.execute("rollback")
            return [(None, error)] * len(changes)
        return results


def _attempt(connection: sqlite3.Connection, change: Change[Any]) -> tuple[Any, Exception | None]:
    connection.execute("savepoint change")
    try:
        result = change(connection)
    except Exception as error:  # noqa: BLE001 — it belongs to whoever asked for the change
        connection.execute("rollback to change")
        connection.execute("release change")
        return None, error
    connection.execute("release change")
    return result, None


def _deliver(results: list[tuple[Any, Exception | None]], futures: list[asyncio.Future[Any]]) -> None:
    """Hand each result to its own loop; one wake-up for all that share a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, Exception | None]]] = {}
    for (result, error), future in zip(results, futures, strict=True):
        by_loop.setdefault(future.get_loop(), []).append((future, result, error))
    for loop, settled in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], Any, Exception | None]]) -> None:
    for future, result, error in settled:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
