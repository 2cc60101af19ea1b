"""Buckets, in the index."""

import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson

from salvia.adapters.objects import rows
from salvia.adapters.objects.index import Index
from salvia.adapters.objects.keys import prefix_end
from salvia.ports.object_errors import BucketNotEmpty, NoSuchBucket
from salvia.ports.object_store import Bucket


class FileBuckets:
    def __init__(self, index: Index) -> None:
        self._index = index

    async def find(self, name: str) -> Bucket | None:
        row = self._index.read.execute(f"select {rows.BUCKET} from buckets where name = ?", (name,)).fetchone()  # noqa: S608
        return rows.bucket(row) if row else None

    async def create(self, bucket: Bucket) -> bool:
        def change(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "insert or ignore into buckets values (?, ?, ?, ?, ?, ?)",
                (
                    bucket.name,
                    bucket.account,
                    bucket.region,
                    bucket.created,
                    bucket.versioning,
                    rows.packed(bucket.documents),
                ),
            )
            return done.rowcount == 1

        return await self._index.write(change)

    async def change(self, name: str, documents: Mapping[str, Any], *, versioning: str | None = None) -> None:
        def change(connection: sqlite3.Connection) -> None:
            row = connection.execute("select documents, versioning from buckets where name = ?", (name,)).fetchone()
            if row is None:
                raise NoSuchBucket(name)
            merged = orjson.loads(row[0]) | dict(documents)
            connection.execute(
                "update buckets set documents = ?, versioning = ? where name = ?",
                (
                    rows.packed({key: value for key, value in merged.items() if value is not None}),
                    row[1] if versioning is None else versioning,
                    name,
                ),
            )

        await self._index.write(change)

    async def delete(self, name: str) -> None:
        def change(connection: sqlite3.Connection) -> None:
            for table in ("versions", "uploads"):
                held = f"select 1 from {table} where bucket = ? limit 1"  # noqa: S608 — a table of ours
                if connection.execute(held, (name,)).fetchone():
                    raise BucketNotEmpty(name)
            if connection.execute("delete from buckets where name = ?", (name,)).rowcount == 0:
                raise NoSuchBucket(name)

        await self._index.write(change)

    async def list(self, account: str, *, prefix: str = "", after: str = "", limit: int = 10_000) -> list[Bucket]:
        found = self._index.read.execute(
            f"select {rows.BUCKET} from buckets where account = ? and name > ? and name >= ? and name < ? order by name limit ?",  # noqa: S608
            (account, after, prefix, prefix_end(prefix), limit),
        )
        return [rows.bucket(row) for row in found]
