"""Records in PostgreSQL, for servers on several machines: the same two tables, every change one statement."""

# ruff: noqa: S608 - only our own constants are pasted into statements; every value is a parameter

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from salvia.adapters.table.documents import COLUMNS, dumps, narrow, record_of
from salvia.adapters.table.listing import listing, merge
from salvia.ports.table import Query, Record

# Each entry brings a database one version further; only append. Text sorts by code points, as it does in SQLite.
MIGRATIONS = (
    """
    create table place (
        id integer generated always as identity primary key,
        kind text not null, account text not null, region text not null, unique (kind, account, region)
    );
    create table record (
        id bigint generated always as identity primary key, place integer not null references place (id),
        key text collate "C" not null, name text collate "C" not null, state text collate "C" not null,
        owner text not null, wanted text not null,
        created float8 not null, modified float8 not null, due float8,
        worker text not null default '', until float8 not null default 0,
        version bigint not null, wished bigint not null, facted bigint not null
    );
    create unique index record_key on record (place, key);
    create index record_name on record (place, name, key);
    create index record_created on record (place, created, key);
    create index record_modified on record (place, modified, key);
    create index record_state on record (place, state, key);
    create index record_state_created on record (place, state, created, key);
    create index record_owner on record (place, owner, created, key) where owner <> '';
    create index record_due on record (due) where due is not null;
    create table document (
        id bigint primary key, arn text not null, spec bytea not null, status bytea not null, tags bytea not null
    );
    create index document_arn on document (arn);
    """,
)

_THE_ROW = "place = %(place)s and key = %(key)s and created = %(created)s"
_DUE = "%(due)s::float8"
_JOINED = f"select r.place, {COLUMNS} from record r join document d using (id)"
_GET = f"{_JOINED} where r.place = %(place)s and r.key = %(key)s"
_FIND = f"{_JOINED} where d.arn = %(arn)s"
_INSERT = """with r as (
        insert into record (place, key, name, state, owner, wanted, created, modified, due, version, wished, facted)
        values (%(place)s, %(key)s, %(name)s, %(state)s, %(owner)s, %(wanted)s, %(created)s, %(modified)s, %(due)s, 1, 1, 1)
        on conflict do nothing returning id)
    insert into document select id, %(arn)s, %(spec)s, %(status)s, %(tags)s from r returning id"""
_SAVE_WISH = f"""with r as (
        update record set name = %(name)s, owner = %(owner)s, wanted = %(wanted)s, modified = %(modified)s,
        due = least(due, {_DUE}), version = version + 1, wished = version + 1
        where {_THE_ROW} and wished <= %(version)s returning id, version),
    d as (update document set spec = %(spec)s, tags = %(tags)s from r where document.id = r.id)
    select version from r"""
_SAVE_FACT = f"""with r as (
        update record set state = %(state)s, modified = greatest(modified, %(modified)s), worker = '', until = 0,
        due = case when wished > %(version)s then least(due, {_DUE}) else {_DUE} end,
        version = version + 1, facted = version + 1
        where {_THE_ROW} and facted <= %(version)s and worker in ('', %(worker)s) returning id, version),
    d as (update document set status = %(status)s from r where document.id = r.id)
    select version from r"""
_RELEASE = f"""update record set worker = '', until = 0,
    due = case when wished > %(version)s then least(due, {_DUE}) else {_DUE} end
    where {_THE_ROW} and worker = %(worker)s returning id"""
_DELETE = f"""with r as (delete from record where {_THE_ROW} returning id)
    delete from document using r where document.id = r.id returning r.id"""
# Ordered, so that the planner takes the index of what is due, however few that is.
_IS_ANY_DUE = "select 1 from record where due <= %(now)s and until <= %(now)s order by due limit 1"
_CLAIM = """update record r set worker = %(worker)s, until = %(until)s from (
        select id from record where due <= %(now)s and until <= %(now)s
        and place not in (select id from place where kind = any(%(excluding)s))
        order by due limit %(limit)s for update skip locked) as chosen
    where r.id = chosen.id returning r.id"""
# One statement each for claiming and reading: what is read must be at least as new as the row that was locked.
_CLAIMED = f"{_JOINED} where r.id = any(%(ids)s) order by r.due"
_RENEW = f"update record set until = %(until)s where {_THE_ROW} and worker = %(worker)s"
_ABANDON = "update record set worker = '', until = 0 where due is not null and worker = %(worker)s"
_NEW_PLACE = (
    "insert into place (kind, account, region) values (%(kind)s, %(account)s, %(region)s) on conflict do nothing"
)
_PLACE = "select id from place where kind = %(kind)s and account = %(account)s and region = %(region)s"
_PLACES = """select account, region from place
    where kind = %(kind)s and %(account)s in ('', account) and %(region)s in ('', region)"""


class PostgresTable:
    """The Table and Leases ports over the database that `url` names, in a schema of its own, made when missing.

    It connects at the first call and holds one connection; when that is lost, the call fails and the next one connects
    again. Raises RuntimeError when a newer Salvia made the schema.
    """

    def __init__(self, url: str, schema: str = "salvia") -> None:
        self._url, self._schema = url, schema
        self._db: psycopg.AsyncConnection[Any] | None = None
        self._connecting = asyncio.Lock()
        self._places: dict[tuple[str, str, str], int] = {}
        self._place_names: dict[int, tuple[str, str, str]] = {}

    async def close(self) -> None:
        if self._db is not None:
            await self._db.close()

    async def insert(self, record: Record) -> bool:
        columns = await self._columns(record, new=True)
        if not await self._rows(_INSERT, columns | {"arn": record.arn}):
            return False
        record.version = 1
        return True

    async def get(self, kind: str, account: str, region: str, key: str, known: Record | None = None) -> Record | None:
        place = await self._place((kind, account, region))
        rows = await self._rows(_GET, {"place": place, "key": key})  # one way there and back, whatever is read
        record = record_of((kind, account, region), rows[0][1:]) if rows else None
        if (
            record is not None
            and known is not None
            and (record.created, record.version) == (known.created, known.version)
        ):
            return known
        return record

    async def find(self, arn: str) -> Record | None:
        rows = await self._rows(_FIND, {"arn": arn})
        return record_of(await self._names(rows[0][0]), rows[0][1:]) if rows else None

    async def select(self, query: Query) -> list[Record]:
        if query.account and query.region:
            return await self._page(query, (query.kind, query.account, query.region))
        places = await self._rows(_PLACES, {"kind": query.kind, "account": query.account, "region": query.region})
        return merge(query, [await self._page(query, (query.kind, *names)) for names in places])

    async def save_wish(self, record: Record) -> bool:
        return await self._save(_SAVE_WISH, record)

    async def save_fact(self, record: Record, worker: str) -> bool:
        return await self._save(_SAVE_FACT, record, worker)

    async def delete(self, record: Record) -> bool:
        return bool(await self._rows(_DELETE, await self._columns(record)))

    async def claim(
        self, now: float, worker: str, until: float, limit: int = 100, excluding: Collection[str] = ()
    ) -> Sequence[Record]:
        if not await self._rows(_IS_ANY_DUE, {"now": now}):
            return ()
        given = {"now": now, "worker": worker, "until": until, "limit": limit, "excluding": list(excluding)}
        ids = [id_ for (id_,) in await self._rows(_CLAIM, given)]
        rows = await self._rows(_CLAIMED, {"ids": ids})
        return [record_of(await self._names(row[0]), row[1:]) for row in rows]

    async def renew(self, records: Sequence[Record], worker: str, until: float) -> None:
        for record in records:
            await self._rows(_RENEW, await self._columns(record) | {"worker": worker, "until": until})

    async def release(self, record: Record, worker: str, due: float | None) -> bool:
        columns = await self._columns(record) | {"worker": worker, "due": due}
        return bool(await self._rows(_RELEASE, columns))

    async def abandon(self, worker: str) -> None:
        await self._rows(_ABANDON, {"worker": worker})

    async def _save(self, statement: str, record: Record, worker: str = "") -> bool:
        rows = await self._rows(statement, await self._columns(record) | {"worker": worker})
        if not rows:
            return False
        record.version = rows[0][0]
        return True

    async def _page(self, query: Query, names: tuple[str, str, str]) -> list[Record]:
        rest, values = listing(query, names[2], "%s", "ilike")
        rows = await self._rows(f"{_JOINED} where r.place = %s{rest}", [await self._place(names), *values])
        return [record_of(names, row[1:]) for row in rows]

    async def _columns(self, record: Record, *, new: bool = False) -> dict[str, Any]:
        return narrow(record) | {
            "place": await self._place((record.kind, record.account, record.region), new=new),
            "spec": dumps(record.spec),
            "status": dumps(record.status),
            "tags": dumps(record.tags),
        }

    async def _place(self, names: tuple[str, str, str], *, new: bool = False) -> int | None:
        """None when nothing was ever put there and nothing `new` will be."""
        if names in self._places:
            return self._places[names]
        given = dict(zip(("kind", "account", "region"), names, strict=True))
        if new:
            await self._rows(_NEW_PLACE, given)
        rows = await self._rows(_PLACE, given)
        if not rows:
            return None
        self._places[names] = rows[0][0]
        return self._places[names]

    async def _names(self, place: int) -> tuple[str, str, str]:
        if place not in self._place_names:
            rows = await self._rows("select kind, account, region from place where id = %(id)s", {"id": place})
            self._place_names[place] = rows[0]
        return self._place_names[place]

    async def _rows(self, statement: str, given: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
        db = self._db
        if db is None or db.closed:
            db = await self._connect()
        cursor = await db.execute(statement.encode(), given, binary=True)
        return await cursor.fetchall() if cursor.description else []

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        async with self._connecting:
            if self._db is None or self._db.closed:
                db = await psycopg.AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=1)
                try:
                    await _migrate(db, self._schema)
                except BaseException:
                    await db.close()
                    raise
                self._db = db
            return self._db


async def _migrate(db: psycopg.AsyncConnection[Any], schema: str) -> None:
    name = sql.Identifier(schema)
    async with db.transaction():
        # Servers that start at once take turns; the lock ends with the transaction. The number only has to be ours.
        await db.execute("select pg_advisory_xact_lock(5841000912)")
        await db.execute(sql.SQL("create schema if not exists {}").format(name))
        await db.execute(sql.SQL("set search_path to {}").format(name))
        await db.execute("create table if not exists migration (version integer primary key)")
        found = await (await db.execute("select coalesce(max(version), 0) from migration")).fetchone()
        version = found[0] if found else 0
        if version > len(MIGRATIONS):
            raise RuntimeError(
                f"the database has schema version {version}, this Salvia knows {len(MIGRATIONS)}: update it"
            )
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            await db.execute(script.encode())
            await db.execute("insert into migration values (%s)", (number,))
