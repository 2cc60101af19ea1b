"""Stored bytes as ordinary files elsewhere on the machine: hard links where that is possible, copies where not."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from salvia.adapters.objects import contents, rows
from salvia.adapters.objects.contents import FileContents
from salvia.adapters.objects.index import Index
from salvia.base.clock import Clock
from salvia.ports.object_store import Content, Extent
from salvia.ports.objects import NoSuchObjectError, Placement

_AT_ONCE = 200  # objects looked up by one query
_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP}


class Views:
    def __init__(self, index: Index, files: FileContents, clock: Clock) -> None:
        self._index = index
        self._files = files
        self._clock = clock

    async def place(self, placements: Iterable[Placement]) -> None:
        wanted = list(placements)
        for placement in await self._files.in_thread(lambda: self._link_all(wanted)):
            await self._join(placement)
            await self._files.in_thread(lambda: self._link_all([placement]))

    def _link_all(self, placements: Sequence[Placement]) -> list[Placement]:
        """In a thread. Returns those whose bytes lie in several files and must be joined first."""
        several = []
        made: set[str] = set()
        for placement, (packed, file, size, data) in self._found(placements):
            path = str(placement.path)
            folder = os.path.dirname(path)
            if folder not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            extents = orjson.loads(packed)
            if len(extents) > 1:
                several.append(placement)
            else:
                self._link(path, extents, file, size, data)
        return several

    def _found(self, placements: Sequence[Placement]) -> Iterator[tuple[Placement, Sequence[Any]]]:
        """Each with its extents and the file, size and data of its first content; looked up many at a time."""
        connection = self._index.reader()
        try:
            for at in range(0, len(placements), _AT_ONCE):
                some = placements[at : at + _AT_ONCE]
                rows_of: dict[tuple[str, str], Sequence[Any]] = {}
                for bucket in {placement.bucket for placement in some}:
                    keys = [placement.key for placement in some if placement.bucket == bucket]
                    query = f"{_FIRST_CONTENT} and key in ({','.join('?' * len(keys))})"
                    rows_of |= {(bucket, row[0]): row[1:] for row in connection.execute(query, (bucket, *keys))}
                for placement in some:
                    row = rows_of.get((placement.bucket, placement.key))
                    if row is None:
                        raise _missing(placement)
                    yield placement, row
        finally:
            connection.close()

    def _link(self, path: str, extents: list[list[int]], file: str | None, size: int, data: bytes | None) -> None:
        """Make the file at `path`, or make it anew, from one extent of one content (or of none: an empty object)."""
        if file is None:
            offset, length = extents[0][1:] if extents else (0, 0)
            _anew(path, lambda: _write(path, (data or b"")[offset : offset + length]))
            return
        stored = f"{self._files.folder}/{file[:2]}/{file}"
        _, offset, length = extents[0]
        if length != size:
            _anew(path, lambda: copy_ranges([(stored, offset, length)], path))
            return
        try:
            _anew(path, lambda: os.link(stored, path))
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            _anew(path, lambda: copy_ranges([(stored, 0, size)], path))

    async def _join(self, placement: Placement) -> None:
        """Make one file of an object that lies in several, and keep it: the next run only links."""
        extents = _extents(self._index.read, placement)
        sources: list[tuple[Path | str, int, int]] = []
        for extent in extents:
            row = self._index.read.execute("select file from contents where id = ?", (extent.content,)).fetchone()
            sources.append((self._files.path(row[0]), extent.offset, extent.length))
        size = sum(extent.length for extent in extents)
        joined = await self._files.make(lambda path: copy_ranges(sources, path))

        def change(connection: sqlite3.Connection) -> bool:
            if _extents(connection, placement) != extents:
                return False
            whole = contents.keep(connection, Content(size, "", {}, file=joined))
            connection.execute(
                "update versions set extents = ? where bucket = ? and key = ? and latest = 1",
                (rows.pack_extents(whole), placement.bucket, placement.key),
            )
            contents.free(connection, extents, self._clock.now())
            return True

        if await self._index.write(change):
            self._files.settle(Content(size, "", {}, file=joined))
        else:
            self._files.forget(joined)
        self._files.garbage.reap_later()


_FIRST_CONTENT = (
    "select key, extents, file, contents.size, data from versions indexed by objects "
    "left join contents on contents.id = json_extract(extents, '$[0][0]') "
    "where bucket = ? and latest = 1 and marker = 0"
)


def _extents(connection: sqlite3.Connection, placement: Placement) -> tuple[Extent, ...]:
    row = connection.execute(f"{_FIRST_CONTENT} and key = ?", (placement.bucket, placement.key)).fetchone()
    if row is None:
        raise _missing(placement)
    return rows.unpack_extents(orjson.loads(row[1]))


def _missing(placement: Placement) -> NoSuchObjectError:
    return NoSuchObjectError(f"s3://{placement.bucket}/{placement.key}")


def _anew(path: str, make: Callable[[], None]) -> None:
    try:
        make()
    except FileExistsError:
        os.unlink(path)
        make()


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    try:
        contents.write_all(descriptor, data)
    finally:
        os.close(descriptor)


def copy_ranges(sources: Sequence[tuple[Path | str, int, int]], path: Path | str) -> None:
    """Write the ranges one after the other to a new file, inside the kernel (and without copying where it can share)."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    try:
        for source, offset, length in sources:
            _copy_range(source, offset, length, descriptor)
    finally:
        os.close(descriptor)


def _copy_range(source: Path | str, offset: int, length: int, target: int) -> None:
    descriptor = os.open(source, os.O_RDONLY)
    try:
        while length:
            try:
                copied = os.copy_file_range(descriptor, target, length, offset)
            except OSError:  # not between these file systems
                copied = os.sendfile(target, descriptor, offset, length)
            if copied == 0:
                raise OSError(errno.EIO, "a stored content is shorter than its index says", str(source))
            offset += copied
            length -= copied
    finally:
        os.close(descriptor)
