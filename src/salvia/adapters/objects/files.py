"""The embedded object store: an SQLite index beside plain files, in one folder that servers of one machine may share."""

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from salvia.adapters.objects.buckets import FileBuckets
from salvia.adapters.objects.contents import FileContents
from salvia.adapters.objects.index import Index
from salvia.adapters.objects.uploads import FileUploads
from salvia.adapters.objects.versions import FileVersions
from salvia.adapters.objects.views import Views
from salvia.base.call import FileBody
from salvia.base.clock import Clock, SystemClock
from salvia.ports.object_errors import NoSuchBucket
from salvia.ports.object_store import Draft, Listing, ObjectStore, Removal, Version
from salvia.ports.objects import NoSuchObjectError, ObjectInfo, Placement

_CHECKSUM = "CRC64NVME"  # what S3 itself takes when nobody asks for one


class FileObjects:
    """`Objects` for the platform, and `store` for services/s3, over the same folder. `close` it once, at the end."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._index = Index(folder / "index.sqlite")
        self._files = FileContents(folder, self._index, clock)
        self._versions = FileVersions(self._index, self._files, clock)
        self._views = Views(self._index, self._files, clock)
        uploads = FileUploads(self._index, self._files, self._versions, clock)
        self.store = ObjectStore(FileBuckets(self._index), self._files, self._versions, uploads)
        self._listeners: list[Callable[[ObjectInfo], None]] = []
        self._versions.created = self._tell

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        return _info(await self._find(bucket, key))

    async def get(self, bucket: str, key: str) -> bytes:
        found = await self._find(bucket, key)
        body = await self._files.read(found, 0, found.size)
        return body if isinstance(body, bytes) else await self._files.in_thread(lambda: _read(body))

    async def put(self, bucket: str, key: str, data: bytes, *, content_type: str = "") -> ObjectInfo:
        content = await self._files.receive(_once(data), [_CHECKSUM])
        try:
            return _info(await self._versions.commit(_draft(bucket, key, content_type), content))
        except NoSuchBucket:
            raise NoSuchObjectError(f"s3://{bucket}") from None

    async def put_file(self, bucket: str, key: str, path: Path, *, content_type: str = "") -> ObjectInfo:
        content = await self._files.take_file(path, [_CHECKSUM])
        try:
            made = await self._versions.commit(_draft(bucket, key, content_type), content)
        except NoSuchBucket:
            raise NoSuchObjectError(f"s3://{bucket}") from None
        self._files.let_go(path, content)
        return _info(made)

    async def place(self, placements: Iterable[Placement]) -> None:
        await self._views.place(placements)

    async def delete(self, bucket: str, key: str) -> None:
        try:
            await self._versions.remove(bucket, [Removal(key)])
        except NoSuchBucket:
            raise NoSuchObjectError(f"s3://{bucket}") from None

    def on_created(self, call: Callable[[ObjectInfo], None]) -> None:
        self._listeners.append(call)

    async def list(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        if await self.store.buckets.find(bucket) is None:
            raise NoSuchObjectError(f"s3://{bucket}")
        page = await self._versions.list(bucket, Listing(prefix=prefix, after=after, limit=limit))
        return [_info(found) for found in page.items]

    def close(self) -> None:
        self._index.close()
        self._files.close()

    async def _find(self, bucket: str, key: str) -> Version:
        found = await self._versions.find(bucket, key)
        if found is None or found.marker:
            raise NoSuchObjectError(f"s3://{bucket}/{key}")
        return found

    def _tell(self, made: Version) -> None:
        for listener in self._listeners:
            listener(_info(made))


def _info(found: Version) -> ObjectInfo:
    return ObjectInfo(found.bucket, found.key, found.size, found.etag, found.modified, found.version)


def _draft(bucket: str, key: str, content_type: str) -> Draft:
    return Draft(bucket, key, {"ContentType": content_type or "binary/octet-stream"})


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _read(body: FileBody) -> bytes:
    found = []
    for piece in body.pieces:
        with piece.path.open("rb") as file:
            file.seek(piece.offset)
            found.append(file.read(piece.length))
    return b"".join(found)
