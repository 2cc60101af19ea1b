"""Objects in S3, as the platform itself uses them: inputs, artefacts, code. What clients see is services/s3."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """`etag` has no quotes; `modified` is in seconds since the epoch."""

    bucket: str
    key: str
    size: int
    etag: str
    modified: float
    version: str = "null"


@dataclass(frozen=True, slots=True)
class Placement:
    """Put the object at `path` of this machine."""

    bucket: str
    key: str
    path: Path


class NoSuchObjectError(LookupError):
    """The bucket or key is not there; the text names it."""


class Objects(Protocol):
    """The object store of the platform. What `put` and `put_file` acknowledge is durable.

    `list` is in byte order of keys. `place` makes files that must not be written to: they may be the stored objects
    themselves (hard links); their folders are made. `put_file` may move the file away. All raise NoSuchObjectError.
    """

    async def head(self, bucket: str, key: str) -> ObjectInfo: ...

    async def list(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectInfo]: ...

    async def get(self, bucket: str, key: str) -> bytes: ...

    async def put(self, bucket: str, key: str, data: bytes, *, content_type: str = "") -> ObjectInfo: ...

    async def put_file(self, bucket: str, key: str, path: Path, *, content_type: str = "") -> ObjectInfo: ...

    async def place(self, placements: Iterable[Placement]) -> None: ...

    async def delete(self, bucket: str, key: str) -> None: ...

    def on_created(self, call: Callable[[ObjectInfo], None]) -> None: ...
