"""Objects and their versions, in the index: each write one change, its condition judged inside it."""

import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from salvia.adapters.objects import contents, listing, rows
from salvia.adapters.objects.contents import FileContents
from salvia.adapters.objects.index import Index
from salvia.base.clock import Clock
from salvia.base.errors import AwsError
from salvia.ports.object_errors import NoSuchBucket, NoSuchKey, NoSuchVersion, ObjectIsLocked, PreconditionFailed
from salvia.ports.object_store import (
    Condition,
    Content,
    Draft,
    Listing,
    Page,
    Removal,
    Removed,
    Version,
)


class FileVersions:
    """`created` is called with each new version after it is on the disk."""

    def __init__(self, index: Index, files: FileContents, clock: Clock) -> None:
        self._index = index
        self._files = files
        self._clock = clock
        self.created: Callable[[Version], None] = lambda _: None

    async def find(self, bucket: str, key: str, version: str = "") -> Version | None:
        return find(self._index.read, bucket, key, version)

    async def commit(self, draft: Draft, content: Content) -> Version:
        def change(connection: sqlite3.Connection) -> Version:
            admit(connection, draft)
            made = Version(
                draft.bucket,
                draft.key,
                "",
                content.size,
                content.md5,
                self._clock.now(),
                checksums=content.checksums,
                attributes=draft.attributes,
                tags=draft.tags,
                extents=contents.keep(connection, content),
            )
            return insert(connection, made)

        try:
            made = await self._index.write(change)
        except (AwsError, OSError, sqlite3.Error):
            await self._files.discard(content)
            raise
        self._files.settle(content)
        return self.announce(made)

    async def copy(self, draft: Draft, source: Version, checksums: Mapping[str, str] | None = None) -> Version:
        def change(connection: sqlite3.Connection) -> Version:
            found = find(connection, source.bucket, source.key, source.version)
            if found is None or found.etag != source.etag:
                raise NoSuchKey(source.key)
            admit(connection, draft)
            contents.share(connection, found.extents)
            made = replace(
                found,
                bucket=draft.bucket,
                key=draft.key,
                modified=self._clock.now(),
                attributes=draft.attributes,
                tags=draft.tags,
            )
            if checksums is not None:
                made = replace(made, checksums=checksums, checksum_type="FULL_OBJECT")
            return insert(connection, made)

        return self.announce(await self._index.write(change))

    async def remove(self, bucket: str, removals: Sequence[Removal]) -> list[Removed]:
        def change(connection: sqlite3.Connection) -> list[Removed]:
            versioning = versioning_of(connection, bucket)
            now = self._clock.now()
            return [_try_remove(connection, bucket, versioning, removal, now) for removal in removals]

        removed = await self._index.write(change)
        self._files.garbage.reap_later()
        return removed

    async def change(
        self, version: Version, *, attributes: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        def change(connection: sqlite3.Connection) -> None:
            at = (version.bucket, version.key, version.version, version.modified)
            where = "where bucket = ? and key = ? and version = ? and modified = ?"
            if attributes is not None:
                columns = (rows.packed(attributes), rows.storage_class(attributes))
                connection.execute(f"update versions set attributes = ?, storage_class = ? {where}", (*columns, *at))  # noqa: S608
            if tags is not None:
                connection.execute(f"update versions set tags = ? {where}", (rows.packed(tags), *at))  # noqa: S608

        await self._index.write(change)

    async def list(self, bucket: str, asked: Listing) -> Page[Version]:
        return listing.objects(self._index.read, bucket, asked)

    async def list_versions(self, bucket: str, asked: Listing) -> Page[Version]:
        return listing.versions(self._index.read, bucket, asked)

    def announce(self, made: Version) -> Version:
        self._files.garbage.reap_later()
        self.created(made)
        return made


def find(connection: sqlite3.Connection, bucket: str, key: str, version: str = "") -> Version | None:
    named = "and version = ?" if version else ""
    row = connection.execute(
        f"select {rows.VERSION} from versions where bucket = ? and key = ? {named} order by seq desc limit 1",  # noqa: S608
        (bucket, key, version) if version else (bucket, key),
    ).fetchone()
    return rows.version(row) if row else None


def versioning_of(connection: sqlite3.Connection, bucket: str) -> str:
    row = connection.execute("select versioning from buckets where name = ?", (bucket,)).fetchone()
    if row is None:
        raise NoSuchBucket(bucket)
    return str(row[0])


def admit(connection: sqlite3.Connection, draft: Draft) -> None:
    """Within a change: raise unless the bucket is there and the draft's condition holds."""
    versioning_of(connection, draft.bucket)
    if draft.condition.match or draft.condition.none_match:
        _judge(draft.condition, draft.key, find(connection, draft.bucket, draft.key))


def insert(connection: sqlite3.Connection, made: Version) -> Version:
    """Within a change: make it the latest version of its key, under the id that the bucket's versioning gives it."""
    named = "null"
    if versioning_of(connection, made.bucket) == "Enabled":
        named = uuid.uuid4().hex
    else:
        _drop(connection, made.bucket, made.key, "null", made.modified)
    last = connection.execute(
        "select seq from versions where bucket = ? and key = ? order by seq desc limit 1", (made.bucket, made.key)
    ).fetchone()
    seq = last[0] + 1 if last else 1
    if last:
        connection.execute(
            "update versions set latest = 0 where bucket = ? and key = ? and seq = ?", (made.bucket, made.key, last[0])
        )
    made = replace(made, version=named, latest=True)
    connection.execute(
        f"insert into versions values ({', '.join('?' * 16)})",  # noqa: S608
        rows.version_columns(made, seq),
    )
    return made


def _drop(connection: sqlite3.Connection, bucket: str, key: str, version: str, now: float) -> Version | None:
    """Within a change: this version goes for good; the newest of those left becomes the latest."""
    found = find(connection, bucket, key, version)
    if found is None:
        return None
    connection.execute(
        "delete from versions where bucket = ? and key = ? and version = ?", (bucket, key, found.version)
    )
    contents.free(connection, found.extents, now)
    if found.latest:
        connection.execute(
            "update versions set latest = 1 where bucket = ? and key = ? and seq = "
            "(select max(seq) from versions where bucket = ? and key = ?)",
            (bucket, key, bucket, key),
        )
    return found


def _judge(condition: Condition, key: str, found: Version | None) -> None:
    if found is not None and found.marker:
        found = None
    if condition.none_match and found is not None:
        raise PreconditionFailed("If-None-Match")
    if condition.match and found is None:
        raise NoSuchKey(key)
    if found is None:
        return
    if condition.match not in {"", "*", found.etag}:
        raise PreconditionFailed("If-Match")
    if condition.size is not None and condition.size != found.size:
        raise PreconditionFailed("x-amz-if-match-size")
    if condition.modified is not None and int(condition.modified) != int(found.modified):
        raise PreconditionFailed("x-amz-if-match-last-modified-time")


def _try_remove(connection: sqlite3.Connection, bucket: str, versioning: str, removal: Removal, now: float) -> Removed:
    try:
        return _remove(connection, bucket, versioning, removal, now)
    except AwsError as error:
        return Removed(removal.key, removal.version, error=error)


def _remove(connection: sqlite3.Connection, bucket: str, versioning: str, removal: Removal, now: float) -> Removed:
    key = removal.key
    if removal.condition != Condition():
        _judge(removal.condition, key, find(connection, bucket, key, removal.version))
    if removal.version:
        found = find(connection, bucket, key, removal.version)
        if found is None and versioning and removal.version != "null":
            raise NoSuchVersion(key, removal.version)
        if found is not None:
            _refuse_locked(found, now, bypass=removal.bypass)
        dropped = _drop(connection, bucket, key, removal.version, now)
        return Removed(key, removal.version, marker=removal.version if dropped and dropped.marker else "")
    if not versioning:
        _drop(connection, bucket, key, "null", now)
        return Removed(key)
    marker = insert(connection, Version(bucket, key, "", 0, "", now, marker=True))
    return Removed(key, marker=marker.version)


def _refuse_locked(found: Version, now: float, *, bypass: bool) -> None:
    if found.attributes.get("ObjectLockLegalHoldStatus") == "ON":
        raise ObjectIsLocked("a legal hold is on")
    mode = found.attributes.get("ObjectLockMode")
    if mode and found.attributes.get("ObjectLockRetainUntilDate", 0.0) > now and not (bypass and mode == "GOVERNANCE"):
        raise ObjectIsLocked(f"it is retained in {mode} mode")
