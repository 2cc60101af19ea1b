"""Records in one SQLite file, called inline: a query costs less than handing it to a thread would."""

# ruff: noqa: S608 - only our own constants are pasted into statements; every value is a parameter

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salvia.adapters.table.documents import COLUMNS, dumps, narrow, record_of
from salvia.adapters.table.listing import listing, merge
from salvia.ports.table import Query, Record

# Each entry brings a database one version further; only append. `pragma user_version` counts those that were applied.
# What lists and the loop look at is a narrow table, apart from the documents, so that scans touch few pages; a place is a
# (kind, account, region), kept once. `wished` and `facted` are the versions at which a wish and a fact were last written.
MIGRATIONS = (
    """
    create table place (
        id integer primary key, kind text not null, account text not null, region text not null,
        unique (kind, account, region)
    );
    create table record (
        id integer primary key, place integer not null references place (id), key text not null,
        name text not null, state text not null, owner text not null, wanted text not null,
        created real not null, modified real not null, due real,
        worker text not null default '', until real not null default 0,
        version integer not null, wished integer not null, facted integer not null
    );
    create unique index record_key on record (place, key);
    create index record_name on record (place, name, key, state);
    create index record_created on record (place, created, key, name);
    create index record_modified on record (place, modified, key, name, state);
    create index record_state on record (place, state, key, name);
    create index record_state_created on record (place, state, created, key, name);
    create index record_owner on record (place, owner, created, key, name) where owner <> '';
    create index record_due on record (due, until) where due is not null;
    create table document (
        id integer primary key, arn text not null, spec blob not null, status blob not null, tags blob not null
    );
    create index document_arn on document (arn);
    """,
)

_GET = f"select {COLUMNS} from record r join document d using (id) where r.place = ? and r.key = ?"
_STAMP = "select created, version from record where place = ? and key = ?"
_FIND = f"select r.place, {COLUMNS} from document d join record r using (id) where d.arn = ?"
_INSERT = """insert into record (place, key, name, state, owner, wanted, created, modified, due, version, wished, facted)
    values (:place, :key, :name, :state, :owner, :wanted, :created, :modified, :due, 1, 1, 1) on conflict do nothing returning id"""
_THE_ROW = "place = :place and key = :key and created = :created"
_SOONER = "min(coalesce(due, :due), coalesce(:due, due))"
_SAVE_WISH = f"""update record set name = :name, owner = :owner, wanted = :wanted, modified = :modified, due = {_SOONER},
    version = version + 1, wished = version + 1 where {_THE_ROW} and wished <= :version returning id, version"""
_SAVE_FACT = f"""update record set state = :state, modified = max(modified, :modified), worker = '', until = 0,
    due = case when wished > :version then {_SOONER} else :due end, version = version + 1, facted = version + 1
    where {_THE_ROW} and facted <= :version and worker in ('', :worker) returning id, version"""
_RELEASE = f"""update record set worker = '', until = 0, due = case when wished > :version then {_SOONER} else :due end
    where {_THE_ROW} and worker = :worker returning id"""
_IS_ANY_DUE = "select 1 from record where due <= ? and until <= ? limit 1"
_CLAIM = """update record set worker = ?, until = ? where id in (
    select id from record where due <= ? and until <= ?{} order by due limit ?) returning id"""


class _Seen:
    """Stamps of records that are in the file as it stands; forgotten with the first change of anything in it.

    Once for each turn of the event loop it asks what others have written: who is answered in this turn asked before it.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._stamps: set[tuple[Any, ...]] = set()
        self._changes = 0, 0  # of the file: those of others, and ours
        self._looked = False  # for those of others, in this turn

    def stamps(self) -> set[tuple[Any, ...]]:
        others, _ = self._changes
        if not self._looked:
            self._looked = True
            asyncio.get_running_loop().call_soon(self._turn)
            (others,) = self._db.execute("pragma data_version").fetchone()
        changes = others, self._db.total_changes
        if self._changes != changes:
            self._changes = changes
            self._stamps.clear()
        return self._stamps

    def _turn(self) -> None:
        self._looked = False


class SqliteTable:
    """The Table and Leases ports over the file at `path`, made when missing (":memory:" for one that dies with the object).

    Several processes may share the file. A kill of the process loses nothing acknowledged; a power cut may lose the last
    moments, but never corrupts. Raises RuntimeError when a newer Salvia wrote the file.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = _open(str(path))
        self._execute = self._db.execute
        self._places: dict[tuple[str, str, str], int] = {}
        self._place_names: dict[int, tuple[str, str, str]] = {}
        self._seen = _Seen(self._db)

    async def close(self) -> None:
        self._db.close()

    async def insert(self, record: Record) -> bool:
        documents = dumps(record.spec), dumps(record.status), dumps(record.tags)
        columns = self._columns(record)
        columns["place"] = columns["place"] or self._new_place(record)
        with self._writing():
            row = self._execute(_INSERT, columns).fetchone()
            if row is None:
                return False
            self._execute("insert into document values (?, ?, ?, ?, ?)", (row[0], record.arn, *documents))
        record.version = 1
        return True

    async def get(self, kind: str, account: str, region: str, key: str, known: Record | None = None) -> Record | None:
        names = kind, account, region
        place = self._places.get(names) or self._known_place(names)
        if known is not None:
            stamp = place, key, known.created, known.version
            seen = self._seen.stamps()
            if stamp in seen:
                return known
            if self._execute(_STAMP, stamp[:2]).fetchone() == stamp[2:]:
                seen.add(stamp)
                return known
        row = self._execute(_GET, (place, key)).fetchone()
        return record_of(names, row) if row else None

    async def find(self, arn: str) -> Record | None:
        row = self._execute(_FIND, (arn,)).fetchone()
        return record_of(self._names(row[0]), row[1:]) if row else None

    async def select(self, query: Query) -> list[Record]:
        if query.account and query.region:
            return self._page(query, (query.kind, query.account, query.region))
        places = self._execute(
            "select kind, account, region from place where kind = :kind and :account in ('', account) and :region in ('', region)",
            {"kind": query.kind, "account": query.account, "region": query.region},
        )
        return merge(query, [self._page(query, names) for names in places.fetchall()])

    async def save_wish(self, record: Record) -> bool:
        spec, tags = dumps(record.spec), dumps(record.tags)
        with self._writing():
            row = self._execute(_SAVE_WISH, self._columns(record)).fetchone()
            if row is None:
                return False
            self._execute("update document set spec = ?, tags = ? where id = ?", (spec, tags, row[0]))
        record.version = row[1]
        return True

    async def save_fact(self, record: Record, worker: str) -> bool:
        status = dumps(record.status)
        with self._writing():
            row = self._execute(_SAVE_FACT, self._columns(record, worker)).fetchone()
            if row is None:
                return False
            self._execute("update document set status = ? where id = ?", (status, row[0]))
        record.version = row[1]
        return True

    async def delete(self, record: Record) -> bool:
        with self._writing():
            row = self._execute(f"delete from record where {_THE_ROW} returning id", self._columns(record)).fetchone()
            if row is None:
                return False
            self._execute("delete from document where id = ?", row)
        return True

    async def claim(
        self, now: float, worker: str, until: float, limit: int = 100, excluding: Collection[str] = ()
    ) -> Sequence[Record]:
        if not self._execute(_IS_ANY_DUE, (now, now)).fetchone():
            return ()  # most looks end here, without taking the write lock
        left_alone = _marks(" and place not in (select id from place where kind in ({}))", excluding)
        with self._writing():
            claimed = self._execute(_CLAIM.format(left_alone), (worker, until, now, now, *excluding, limit)).fetchall()
            ids = [id_ for (id_,) in claimed]
            rows = self._execute(
                f"select r.place, {COLUMNS} from record r join document d using (id)"
                f" where {_marks('r.id in ({})', ids) or 'false'} order by r.due",
                ids,
            ).fetchall()
        return [record_of(self._names(row[0]), row[1:]) for row in rows]

    async def renew(self, records: Sequence[Record], worker: str, until: float) -> None:
        with self._writing():
            self._db.executemany(
                f"update record set until = :until where {_THE_ROW} and worker = :worker",
                [self._columns(record, worker) | {"until": until} for record in records],
            )

    async def release(self, record: Record, worker: str, due: float | None) -> bool:
        columns = self._columns(record, worker)
        columns["due"] = due
        return bool(self._execute(_RELEASE, columns).fetchall())

    async def abandon(self, worker: str) -> None:
        self._execute("update record set worker = '', until = 0 where due is not null and worker = ?", (worker,))

    def _page(self, query: Query, names: tuple[str, str, str]) -> list[Record]:
        rest, values = listing(query, names[2], "?", "like")
        rows = self._execute(
            f"select {COLUMNS} from record r join document d using (id) where r.place = ?{rest}",
            [self._places.get(names) or self._known_place(names), *values],
        )
        return [record_of(names, row) for row in rows]

    def _columns(self, record: Record, worker: str = "") -> dict[str, Any]:
        names = record.kind, record.account, record.region
        return narrow(record) | {"place": self._places.get(names) or self._known_place(names), "worker": worker}

    def _known_place(self, names: tuple[str, str, str]) -> int | None:
        """None when nothing was ever put there."""
        found = self._execute("select id from place where kind = ? and account = ? and region = ?", names).fetchone()
        if found is None:
            return None
        self._places[names] = int(found[0])
        return int(found[0])

    def _new_place(self, record: Record) -> int | None:
        names = record.kind, record.account, record.region
        self._execute("insert into place (kind, account, region) values (?, ?, ?) on conflict do nothing", names)
        return self._known_place(names)

    def _names(self, place: int) -> tuple[str, str, str]:
        names = self._place_names.get(place)
        if names is None:
            kind, account, region = self._execute(
                "select kind, account, region from place where id = ?", (place,)
            ).fetchone()
            names = self._place_names[place] = (kind, account, region)
        return names

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._execute("begin immediate")
        try:
            yield
        except BaseException:
            self._execute("rollback")
            raise
        self._execute("commit")


def page_of(query: Query, region: str) -> tuple[str, list[Any]]:
    """The from-clause and what follows; its parameters come after the place."""
    rest, values = listing(query, region, "?", "like")
    hint = ""
    if query.owner:
        hint = " indexed by record_owner"  # few children, rather than all in the wanted order
    elif query.state and query.sort != "created":
        # By the state, SQLite would read and sort all that are in it; in the wanted order it can stop at the limit.
        hint = f" indexed by record_{query.sort}"
    return f"from record r{hint} join document d using (id) where r.place = ?{rest}", values


def _marks(template: str, values: Collection[Any]) -> str:
    return template.format(",".join("?" * len(values))) if values else ""


def _open(path: str) -> sqlite3.Connection:
    if path == ":memory:":
        return _prepared(sqlite3.connect(path, isolation_level=None))
    # Only the owner may read records; SQLite gives its side files the mode of the main one.
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        # Two servers that start at once: switching to WAL does not wait for others, so they must.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _prepared(sqlite3.connect(path, isolation_level=None, cached_statements=512))
    finally:
        os.close(lock)


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    for pragma in ("busy_timeout = 10000", "journal_mode = wal", "synchronous = normal", "cache_size = -16000"):
        db.execute(f"pragma {pragma}")
    (version,) = db.execute("pragma user_version").fetchone()
    if version > len(MIGRATIONS):
        db.close()
        raise RuntimeError(f"the database has schema version {version}, this Salvia knows {len(MIGRATIONS)}: update it")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"begin immediate; {script}; pragma user_version = {number}; commit;")
    return db
