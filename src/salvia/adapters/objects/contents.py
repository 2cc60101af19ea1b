"""Contents: bytes in plain files, one for each, or inside the index when they are few.

A file is written, hashed and synced before anyone hears of it, then never changed: it is read-only (0444), so runs may be
given hard links to it. The folder above it is the owner's alone (0700).
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import shutil
import sqlite3
import stat
import uuid
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from salvia.adapters.objects.garbage import Garbage
from salvia.adapters.objects.hashing import Hashes
from salvia.adapters.objects.index import Index
from salvia.adapters.objects.session import Session
from salvia.base.call import FileBody, FilePiece
from salvia.base.clock import Clock
from salvia.ports.object_store import Content, Extent, Version

T = TypeVar("T")

SMALL = 16 * 1024  # kept in the index: a put then costs one fsync, not two
_CHUNK = 1 << 20
_SYNC_FILE_RANGE_WRITE = 2


class FileContents:
    def __init__(self, folder: Path, index: Index, clock: Clock) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.folder = folder / "objects"
        for number in range(256):
            (self.folder / f"{number:02x}").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._incoming = folder / "incoming"
        self._index = index
        self._clock = clock
        self._session = Session(self._incoming)
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="object contents")
        self.garbage = Garbage(self.folder, self._incoming, index, clock)
        self.garbage.sweep()

    async def receive(
        self, pieces: AsyncIterable[bytes], algorithms: Sequence[str] = (), *, small: bool = True
    ) -> Content:
        hashes = Hashes(algorithms)
        held: list[bytes] = []
        size = 0
        writing: _Writing | None = None
        try:
            async for piece in pieces:
                held.append(piece)
                size += len(piece)
                if writing is None and size <= SMALL:
                    continue
                if writing is None:
                    writing = self._begin(hashes)
                if writing.wants(len(piece)):
                    await writing.take(held)
                    held = []
            if writing is None and (small or size == 0):
                data = b"".join(held)
                hashes.update(data)
                return Content(size, hashes.md5(), hashes.checksums(), data=data)
            writing = writing or self._begin(hashes)
            await writing.take(held)
            await writing.finish()
        except BaseException:
            if writing is not None:
                await asyncio.shield(writing.drop())
                self.forget(writing.path.name)
            raise
        return Content(size, hashes.md5(), hashes.checksums(), file=writing.path.name)

    def _begin(self, hashes: Hashes) -> "_Writing":
        incoming = self.new_file()
        return _Writing(incoming, self.path(incoming.name), hashes, self._threads)

    async def discard(self, content: Content) -> None:
        if content.file:
            self.forget(content.file)

    async def read(self, version: Version, start: int, length: int) -> bytes | FileBody:
        pieces: list[FilePiece] = []
        for extent in cut(version.extents, start, length):
            file, data = self._index.read.execute(
                "select file, data from contents where id = ?", (extent.content,)
            ).fetchone()
            if data is not None:
                return bytes(data[extent.offset : extent.offset + extent.length])
            pieces.append(FilePiece(self.path(file), extent.offset, extent.length))
        return FileBody(tuple(pieces)) if pieces else b""

    async def checksums(self, version: Version, algorithms: Sequence[str]) -> Mapping[str, str]:
        return (await self.hash(await self.read(version, 0, version.size), algorithms)).checksums()

    async def hash(self, body: bytes | FileBody, algorithms: Sequence[str]) -> Hashes:
        hashes = Hashes(algorithms)
        if isinstance(body, bytes):
            hashes.update(body)
        else:
            await self.in_thread(lambda: _hash_pieces(body.pieces, hashes))
        return hashes

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def make(self, write: Callable[[Path], None]) -> str:
        """A new content of what `write` writes to the path it is given (in a thread); on the disk when this returns."""
        incoming = self.new_file()
        try:
            await self.in_thread(lambda: write(incoming))
            await self.in_thread(lambda: _publish_file(incoming, self.path(incoming.name)))
        except BaseException:
            self.forget(incoming.name)
            raise
        return incoming.name

    async def take_file(self, path: Path, algorithms: Sequence[str]) -> Content:
        """The file becomes a content: as it is where nobody else holds a link to it, else as a copy.

        It keeps its name until `let_go`, so that a server that dies before the index knows the content loses nothing.
        """
        file = await self.make(lambda incoming: _link_or_copy(path, incoming))
        size = self.path(file).stat().st_size
        hashes = await self.hash(FileBody((FilePiece(self.path(file), 0, size),)), algorithms)
        if size == 0:
            self.forget(file)
            return Content(0, hashes.md5(), hashes.checksums(), data=b"")
        return Content(size, hashes.md5(), hashes.checksums(), file=file)

    def let_go(self, path: Path, content: Content) -> None:
        """Remove the name `path` of a file that has become this content; a file that was copied keeps its name."""
        if content.file and path.samefile(self.path(content.file)):
            path.unlink()

    def path(self, file: str) -> Path:
        return self.folder / file[:2] / file

    def new_file(self) -> Path:
        """A name in this session's folder; the file is not made yet."""
        return self._session.folder / uuid.uuid4().hex

    def settle(self, content: Content) -> None:
        """The content is in the index now: its second name may go."""
        if content.file:
            (self._session.folder / content.file).unlink(missing_ok=True)

    def forget(self, file: str) -> None:
        self.path(file).unlink(missing_ok=True)
        (self._session.folder / file).unlink(missing_ok=True)

    def close(self) -> None:
        self.garbage.close()
        self._threads.shutdown()
        self._session.close()


class _Writing:
    """One file on its way: a thread hashes and writes a chunk while the next one comes in."""

    def __init__(self, incoming: Path, final: Path, hashes: Hashes, threads: ThreadPoolExecutor) -> None:
        self.path = incoming
        self._final = final
        self._hashes = hashes
        self._threads = threads
        self._file = os.open(incoming, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
        self._held = 0
        self._written = 0
        self._busy: asyncio.Future[None] | None = None

    def wants(self, size: int) -> bool:
        """Whether enough is held for a chunk, with the `size` bytes that just came."""
        self._held += size
        return self._held >= _CHUNK

    async def take(self, pieces: list[bytes]) -> None:
        await self._idle()
        self._held = 0
        self._busy = asyncio.get_running_loop().run_in_executor(self._threads, self._write, pieces)

    async def finish(self) -> None:
        await self._idle()
        self._busy = asyncio.get_running_loop().run_in_executor(self._threads, self._sync)
        await self._idle()

    async def drop(self) -> None:
        with contextlib.suppress(OSError):
            await self._idle()
        with contextlib.suppress(OSError):
            os.close(self._file)

    async def _idle(self) -> None:
        if self._busy is not None:
            # shielded: the thread goes on when whoever waits is cancelled, and needs the file until it is done
            await asyncio.shield(self._busy)
            self._busy = None

    def _write(self, pieces: list[bytes]) -> None:
        start = self._written
        for piece in pieces:
            self._hashes.update(piece)
            write_all(self._file, piece)
            self._written += len(piece)
        start_writeback(self._file, start, self._written - start)

    def _sync(self) -> None:
        publish(self._file, self.path, self._final)
        os.close(self._file)


def publish(descriptor: int, incoming: Path, final: Path) -> None:
    """Give the file its final name beside its first, and put bytes and name on the disk."""
    os.link(incoming, final)
    os.fsync(descriptor)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _publish_file(incoming: Path, final: Path) -> None:
    descriptor = os.open(incoming, os.O_RDONLY)
    try:
        publish(descriptor, incoming, final)
    finally:
        os.close(descriptor)


def _link_or_copy(path: Path, incoming: Path) -> None:
    """Never follows a link: what a run leaves behind must not name a file of the host."""
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "only a regular file can become an object", str(path))
        ours = found.st_uid == os.geteuid() or os.geteuid() == 0
        if not (found.st_nlink == 1 and ours and _linked(path, incoming)):
            with open(source, "rb", closefd=False) as reader, incoming.open("xb") as writer:
                shutil.copyfileobj(reader, writer, _CHUNK)
    finally:
        os.close(source)
    if incoming.stat().st_uid != os.geteuid():
        os.chown(incoming, os.geteuid(), os.getegid())
    incoming.chmod(0o444)


def _linked(path: Path, incoming: Path) -> bool:
    try:
        os.link(path, incoming, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def cut(extents: Sequence[Extent], start: int, length: int) -> list[Extent]:
    """The extents of `length` bytes from `start` of what `extents` make."""
    found = []
    for extent in extents:
        if length <= 0:
            break
        if start >= extent.length:
            start -= extent.length
            continue
        taken = min(extent.length - start, length)
        found.append(Extent(extent.content, extent.offset + start, taken))
        start = 0
        length -= taken
    return found


def _hash_pieces(pieces: Sequence[FilePiece], hashes: Hashes) -> None:
    for piece in pieces:
        with piece.path.open("rb") as file:
            file.seek(piece.offset)
            left = piece.length
            while left and (data := file.read(min(left, _CHUNK))):
                hashes.update(data)
                left -= len(data)


def free(connection: sqlite3.Connection, extents: Sequence[Extent], now: float) -> None:
    """Within a change: these extents are not needed any more by whoever held them."""
    for extent in extents:
        refs, file = connection.execute(
            "update contents set refs = refs - 1 where id = ? returning refs, file", (extent.content,)
        ).fetchone()
        if refs:
            continue
        connection.execute("delete from contents where id = ?", (extent.content,))
        if file is not None:
            connection.execute("insert or replace into garbage values (?, ?)", (file, now))


def share(connection: sqlite3.Connection, extents: Sequence[Extent]) -> None:
    """Within a change: someone else holds these extents as well."""
    for extent in extents:
        connection.execute("update contents set refs = refs + 1 where id = ?", (extent.content,))


def keep(connection: sqlite3.Connection, content: Content) -> tuple[Extent, ...]:
    """Within a change: the content becomes part of the index, held once."""
    if content.size == 0:
        return ()
    row = connection.execute(
        "insert into contents(file, size, refs, data) values (?, ?, 1, ?)",
        (content.file or None, content.size, content.data),
    )
    assert row.lastrowid is not None
    return (Extent(row.lastrowid, 0, content.size),)


_libc = ctypes.CDLL(None, use_errno=True)


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Let the disk begin now, so that the fsync at the end has little left to do. A hint: failing does not matter."""
    _libc.sync_file_range(
        ctypes.c_int(descriptor), ctypes.c_int64(offset), ctypes.c_int64(length), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE)
    )
