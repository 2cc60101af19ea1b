"""Which groups and streams there are: one SQLite file that several servers may share."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from salvia.ports.logs import GroupKey, LogGroup, StreamKey

_SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    created INTEGER NOT NULL, retention INTEGER, kms_key TEXT NOT NULL, class TEXT NOT NULL,
    protected INTEGER NOT NULL, tags TEXT NOT NULL,
    UNIQUE (account, region, name)
) STRICT;
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    name TEXT NOT NULL, created INTEGER NOT NULL,
    file INTEGER NOT NULL DEFAULT 0,       -- the events are the lines of a file
    open INTEGER NOT NULL DEFAULT 0,       -- the file may still grow
    first INTEGER, last INTEGER, ingested INTEGER, bytes INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0,       -- the number of the next put event
    UNIQUE (group_id, name)
) STRICT;
CREATE INDEX IF NOT EXISTS open_streams ON streams (open) WHERE open;
CREATE INDEX IF NOT EXISTS sizes ON streams (group_id, bytes);
CREATE TABLE IF NOT EXISTS events (
    stream INTEGER NOT NULL REFERENCES streams ON DELETE CASCADE,
    timestamp INTEGER NOT NULL, number INTEGER NOT NULL, ingested INTEGER NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (stream, timestamp, number)
) STRICT, WITHOUT ROWID;
"""

_STREAM = (
    "SELECT s.id, g.account, g.region, g.name, s.name, s.created, s.file, s.open, s.first, s.last, s.ingested, s.bytes,"
    " g.retention FROM streams s JOIN groups g ON g.id = s.group_id"
)


_AFTER_ALL = chr(0x10FFFF)  # after every name, in the order of UTF-8's bytes


class StreamRow(NamedTuple):
    """A stream as recorded; for an open file the times and bytes are asked of the file itself."""

    id: int
    key: StreamKey
    created: int
    file: bool
    open: bool
    first: int | None
    last: int | None
    ingested: int | None
    bytes: int
    retention: int | None


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """`durable` waits for the disk at each commit; without it a commit survives the process, not the machine."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)  # before SQLite does: its other files take over the mode
    db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False, cached_statements=256)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    db.execute("PRAGMA foreign_keys=ON")
    return db


class Catalogue:
    """Rows by key; every method is one transaction. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self.db = connect(path, durable=False)
        self.db.executescript(_SCHEMA)

    def close(self) -> None:
        self.db.close()

    @property
    def version(self) -> int:
        """Changes when another process or connection has changed something."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    def add_group(self, group: LogGroup) -> bool:
        added = self.db.execute(
            "INSERT OR IGNORE INTO groups (account, region, name, created, retention, kms_key, class, protected, tags)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            (*group.key, group.created, *_changeable(group)[:2], group.log_class, *_changeable(group)[2:]),
        )
        return added.rowcount == 1

    def group(self, key: GroupKey) -> LogGroup | None:
        return next(iter(self._groups("account=? AND region=? AND name=?", key)), None)

    def groups(
        self, account: str, region: str, *, prefix: str, contains: str, after: str, limit: int
    ) -> list[LogGroup]:
        return self._groups(
            "account=? AND region=? AND name>? AND name>=? AND substr(name, 1, ?)=? AND instr(name, ?)>0",
            (account, region, after, prefix, len(prefix), prefix, contains),
            limit,
        )

    def _groups(self, where: str, values: tuple[Any, ...], limit: int = -1) -> list[LogGroup]:
        rows = self.db.execute(
            "SELECT account, region, name, created, retention, kms_key, class, protected, tags"  # noqa: S608
            f" FROM groups WHERE {where} ORDER BY name LIMIT ?",
            (*values, limit),
        )
        return [
            LogGroup(GroupKey(*row[:3]), row[3], row[4], row[5], row[6], bool(row[7]), json.loads(row[8]))
            for row in rows
        ]

    def change_group(self, group: LogGroup) -> bool:
        changed = self.db.execute(
            "UPDATE groups SET retention=?, kms_key=?, protected=?, tags=? WHERE account=? AND region=? AND name=?",
            (*_changeable(group), *group.key),
        )
        return changed.rowcount == 1

    def drop_group(self, key: GroupKey) -> bool:
        return self.db.execute("DELETE FROM groups WHERE account=? AND region=? AND name=?", key).rowcount == 1

    def add_stream(self, key: StreamKey, now: int) -> bool:
        """Raises LookupError when there is no such group."""
        with transaction(self.db):
            group = self.db.execute("SELECT id FROM groups WHERE account=? AND region=? AND name=?", key[:3]).fetchone()
            if group is None:
                raise LookupError(key.group)
            added = self.db.execute(
                "INSERT OR IGNORE INTO streams (group_id, name, created) VALUES (?,?,?)", (group[0], key.stream, now)
            )
            return added.rowcount == 1

    def stream(self, key: StreamKey) -> StreamRow | None:
        return next(iter(self._streams("g.account=? AND g.region=? AND g.name=? AND s.name=?", key)), None)

    def stream_by_id(self, number: int) -> StreamRow | None:
        return next(iter(self._streams("s.id=?", (number,))), None)

    def streams(
        self,
        group: GroupKey,
        *,
        prefix: str = "",
        after: str = "",
        since: int = 0,
        descending: bool = False,
        limit: int = -1,
    ) -> list[StreamRow]:
        """By name; without the streams that no longer grow and ended before `since`."""
        low, high = (prefix, min(after, prefix + _AFTER_ALL)) if after and descending else (prefix, prefix + _AFTER_ALL)
        return self._streams(
            "g.account=? AND g.region=? AND g.name=? AND s.name>=? AND s.name<?"
            f"{'' if descending else ' AND s.name>?'}{' AND (s.open OR s.last>=?)' if since else ''}"
            f" ORDER BY s.name {'DESC' if descending else 'ASC'} LIMIT ?",
            (*group, low, high, *([] if descending else [after]), *([since] if since else []), limit),
        )

    def open_streams(self) -> list[StreamRow]:
        return self._streams("s.open", ())

    def ended_bytes(self, key: GroupKey) -> int:
        """Of the streams that no longer grow, or have no file."""
        found = self.db.execute(
            "SELECT coalesce(sum(bytes), 0) FROM streams WHERE group_id="
            "(SELECT id FROM groups WHERE account=? AND region=? AND name=?)",
            key,
        )
        return int(found.fetchone()[0])

    def aged_streams(self) -> list[StreamRow]:
        """The streams of every group that keeps events only so long."""
        return self._streams("g.retention IS NOT NULL", ())

    def _streams(self, where: str, values: tuple[Any, ...]) -> list[StreamRow]:
        rows = self.db.execute(f"{_STREAM} WHERE {where}", values)
        return [StreamRow(row[0], StreamKey(*row[1:5]), row[5], bool(row[6]), bool(row[7]), *row[8:]) for row in rows]

    def mark_file(self, number: int, *, is_open: bool) -> None:
        self.db.execute(
            "UPDATE streams SET file=1, open=?, bytes=CASE WHEN ? THEN 0 ELSE bytes END WHERE id=?",
            (is_open, is_open, number),
        )

    def note_facts(self, number: int, first: int | None, last: int | None, size: int) -> None:
        """What a file of lines holds, once it has stopped growing or has been shortened."""
        self.db.execute(
            "UPDATE streams SET first=?, last=?, ingested=?, bytes=? WHERE id=?", (first, last, last, size, number)
        )

    def drop_stream(self, number: int) -> bool:
        return self.db.execute("DELETE FROM streams WHERE id=?", (number,)).rowcount == 1


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _changeable(group: LogGroup) -> tuple[int | None, str, bool, str]:
    return group.retention_days, group.kms_key, group.protected, json.dumps(dict(group.tags))
