"""Stored bytes as ordinary files elsewhere on the machine: hard links where that is possible, copies where not."""

import errno
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from salvia.adapters.objects import contents, rows
from salvia.adapters.objects.contents import FileContents
from salvia.adapters.objects.index import Index
from salvia.base.clock import Clock
from salvia.ports.object_store import Content, Extent
from salvia.ports.objects import NoSuchObjectError, Placement

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
        made: set[Path] = set()
        connection = self._index.reader()
        try:
            for placement in placements:
                if placement.path.parent not in made:
                    placement.path.parent.mkdir(parents=True, exist_ok=True)
                    made.add(placement.path.parent)
                extents = _extents(connection, placement)
                if len(extents) > 1:
                    several.append(placement)
                    continue
                self._link(connection, placement.path, extents)
        finally:
            connection.close()
        return several

    def _link(self, connection: sqlite3.Connection, path: Path, extents: Sequence[Extent]) -> None:
        path.unlink(missing_ok=True)
        if not extents:
            _write(path, b"")
            return
        extent = extents[0]
        file, data, size = connection.execute(
            "select file, data, size from contents where id = ?", (extent.content,)
        ).fetchone()
        if data is not None:
            _write(path, data[extent.offset : extent.offset + extent.length])
            return
        stored = self._files.path(file)
        if extent.length != size:
            copy_ranges([(stored, extent.offset, extent.length)], path)
            return
        try:
            os.link(stored, path)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            copy_ranges([(stored, 0, size)], path)

    async def _join(self, placement: Placement) -> None:
        """Make one file of an object that lies in several, and keep it: the next run only links."""
        extents = _extents(self._index.read, placement)
        sources = []
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
        self._files.reap_later()


def _extents(connection: sqlite3.Connection, placement: Placement) -> tuple[Extent, ...]:
    row = connection.execute(
        "select extents from versions indexed by objects where bucket = ? and key = ? and latest = 1 and marker = 0",
        (placement.bucket, placement.key),
    ).fetchone()
    if row is None:
        raise NoSuchObjectError(f"s3://{placement.bucket}/{placement.key}")
    return rows.unpack_extents(orjson.loads(row[0]))


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    try:
        contents.write_all(descriptor, data)
    finally:
        os.close(descriptor)


def copy_ranges(sources: Sequence[tuple[Path, int, int]], path: Path) -> None:
    """Write the ranges one after the other to a new file, inside the kernel (and without copying where it can share)."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    try:
        for source, offset, length in sources:
            _copy_range(source, offset, length, descriptor)
    finally:
        os.close(descriptor)


def _copy_range(source: Path, offset: int, length: int, target: int) -> None:
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
