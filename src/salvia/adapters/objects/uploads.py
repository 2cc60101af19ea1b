"""Uploads in parts, in the index. Completing one joins the extents of its parts; no byte is copied."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence

from salvia.adapters.objects import contents, listing, rows
from salvia.adapters.objects.contents import FileContents
from salvia.adapters.objects.hashing import composite, etag_of_parts, full_object
from salvia.adapters.objects.index import Index
from salvia.adapters.objects.versions import FileVersions, admit, find, insert, versioning_of
from salvia.base.clock import Clock
from salvia.base.errors import AwsError
from salvia.ports.object_errors import (
    BadDigest,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    NoSuchKey,
    NoSuchUpload,
)
from salvia.ports.object_store import Completion, Content, Draft, Listing, Page, Part, Upload, Version

LEAST_PART = 5 * 1024 * 1024  # of every part but the last


class FileUploads:
    def __init__(self, index: Index, files: FileContents, versions: FileVersions, clock: Clock) -> None:
        self._index = index
        self._files = files
        self._versions = versions
        self._clock = clock

    async def create(self, upload: Upload) -> None:
        def change(connection: sqlite3.Connection) -> None:
            versioning_of(connection, upload.bucket)
            connection.execute(
                "insert into uploads values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    upload.id,
                    upload.bucket,
                    upload.key,
                    upload.account,
                    upload.started,
                    rows.packed(upload.attributes),
                    rows.packed(upload.tags),
                    upload.algorithm,
                    upload.checksum_type,
                ),
            )

        await self._index.write(change)

    async def find(self, bucket: str, key: str, upload: str) -> Upload:
        return _open(self._index.read, bucket, key, upload)

    async def put_part(self, upload: Upload, number: int, content: Content) -> Part:
        def change(connection: sqlite3.Connection) -> Part:
            _open(connection, upload.bucket, upload.key, upload.id)
            extents = contents.keep(connection, content)
            part = Part(number, content.size, content.md5, self._clock.now(), content.checksums, extents)
            _replace_part(connection, upload.id, part)
            return part

        try:
            part = await self._index.write(change)
        except (AwsError, OSError, sqlite3.Error):
            await self._files.discard(content)
            raise
        self._files.settle(content)
        self._files.garbage.reap_later()
        return part

    async def copy_part(self, upload: Upload, number: int, source: Version, start: int, length: int) -> Part:
        """The bytes are read once, for the part's ETag and checksum, but not written again, unless they are in the index."""
        body = await self._files.read(source, start, length)
        if isinstance(body, bytes):
            return await self.put_part(
                upload, number, await self._files.receive(_once(body), [upload.algorithm], small=False)
            )
        hashes = await self._files.hash(body, [upload.algorithm])
        extents = contents.cut(source.extents, start, length)

        def change(connection: sqlite3.Connection) -> Part:
            _open(connection, upload.bucket, upload.key, upload.id)
            found = find(connection, source.bucket, source.key, source.version)
            if found is None or found.extents != source.extents:
                raise NoSuchKey(source.key)
            contents.share(connection, extents)
            part = Part(number, length, hashes.md5(), self._clock.now(), hashes.checksums(), tuple(extents))
            _replace_part(connection, upload.id, part)
            return part

        return await self._index.write(change)

    async def parts(self, upload: Upload, *, after: int = 0, limit: int = 1000) -> Sequence[Part]:
        found = self._index.read.execute(
            f"select {rows.PART} from parts where upload = ? and number > ? order by number limit ?",  # noqa: S608
            (upload.id, after, limit),
        )
        return [rows.part(row) for row in found]

    async def complete(self, upload: Upload, completion: Completion) -> Version:
        def change(connection: sqlite3.Connection) -> Version:
            _open(connection, upload.bucket, upload.key, upload.id)
            stored = _parts(connection, upload.id)
            chosen = _choose(stored, completion.parts)
            size = sum(part.size for part in chosen)
            if completion.size is not None and completion.size != size:
                raise AwsError(
                    f"The parts have {size} bytes in all, not the {completion.size} that x-amz-mp-object-size names.",
                    code="InvalidRequest",
                )
            checksums = _checksums(upload, chosen)
            if any(checksums.get(name, given) != given for name, given in completion.checksums.items()):
                raise BadDigest(upload.algorithm)
            admit(connection, Draft(upload.bucket, upload.key, condition=completion.condition))
            now = self._clock.now()
            made = insert(
                connection,
                Version(
                    upload.bucket,
                    upload.key,
                    "",
                    size,
                    etag_of_parts([part.etag for part in chosen]),
                    now,
                    checksums=checksums,
                    checksum_type=upload.checksum_type,
                    attributes=upload.attributes,
                    tags=upload.tags,
                    parts=tuple(chosen),
                    extents=tuple(extent for part in chosen for extent in part.extents),
                ),
            )
            used = {part.number for part in chosen}
            _forget(connection, upload.id, [part for part in stored.values() if part.number not in used], now)
            return made

        return self._versions.announce(await self._index.write(change))

    async def abort(self, upload: Upload) -> None:
        def change(connection: sqlite3.Connection) -> None:
            _open(connection, upload.bucket, upload.key, upload.id)
            _forget(connection, upload.id, _parts(connection, upload.id).values(), self._clock.now())

        await self._index.write(change)
        self._files.garbage.reap_later()

    async def list(self, bucket: str, asked: Listing) -> Page[Upload]:
        return listing.uploads(self._index.read, bucket, asked)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _open(connection: sqlite3.Connection, bucket: str, key: str, upload: str) -> Upload:
    row = connection.execute(
        f"select {rows.UPLOAD} from uploads where id = ? and bucket = ? and key = ?",  # noqa: S608
        (upload, bucket, key),
    ).fetchone()
    if row is None:
        raise NoSuchUpload(upload)
    return rows.upload(row)


def _parts(connection: sqlite3.Connection, upload: str) -> dict[int, Part]:
    found = connection.execute(f"select {rows.PART} from parts where upload = ? order by number", (upload,))  # noqa: S608
    return {row[0]: rows.part(row) for row in found}


def _replace_part(connection: sqlite3.Connection, upload: str, part: Part) -> None:
    old = connection.execute(
        f"select {rows.PART} from parts where upload = ? and number = ?",  # noqa: S608
        (upload, part.number),
    ).fetchone()
    if old:
        contents.free(connection, rows.part(old).extents, part.modified)
    connection.execute(
        "insert or replace into parts values (?, ?, ?, ?, ?, ?, ?)",
        (
            upload,
            part.number,
            part.size,
            part.etag,
            part.modified,
            rows.packed(part.checksums),
            rows.pack_extents(part.extents),
        ),
    )


def _forget(connection: sqlite3.Connection, upload: str, unused: Iterable[Part], now: float) -> None:
    for part in unused:
        contents.free(connection, part.extents, now)
    connection.execute("delete from parts where upload = ?", (upload,))
    connection.execute("delete from uploads where id = ?", (upload,))


def _choose(stored: dict[int, Part], named: Sequence[Part]) -> list[Part]:
    """The stored parts that the client named, in order. Raises when it names them wrongly, or when one is too small."""
    numbers = [part.number for part in named]
    if numbers != sorted(set(numbers)):
        raise InvalidPartOrder
    chosen = []
    for part in named:
        found = stored.get(part.number)
        if found is None:
            raise InvalidPart(part.number, "was not uploaded")
        if part.etag != found.etag:
            raise InvalidPart(part.number, f"was uploaded with the ETag {found.etag}, not {part.etag}")
        if any(found.checksums.get(name, given) != given for name, given in part.checksums.items()):
            raise InvalidPart(part.number, "was uploaded with another checksum")
        chosen.append(found)
    for found in chosen[:-1]:
        if found.size < LEAST_PART:
            raise EntityTooSmall(found.number, found.size, LEAST_PART)
    return chosen


def _checksums(upload: Upload, chosen: Sequence[Part]) -> dict[str, str]:
    algorithm = upload.algorithm
    if not all(algorithm in part.checksums for part in chosen):
        return {}
    if upload.checksum_type == "COMPOSITE":
        return {algorithm: composite(algorithm, [part.checksums[algorithm] for part in chosen])}
    return {algorithm: full_object(algorithm, [(part.checksums[algorithm], part.size) for part in chosen])}
