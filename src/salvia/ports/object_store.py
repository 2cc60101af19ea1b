"""The store behind S3: buckets, contents, versions of objects, and uploads in parts.

What the platform itself uses of it is ports/objects; this is what services/s3 is written on. Names are S3's own. Errors
are those of ports/object_errors. Nothing is acknowledged before it is on the disk.
"""

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from salvia.base.call import FileBody

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """`account` owns it. `region` is its LocationConstraint ("us-east-1" when none was given).

    `versioning` is "", "Enabled" or "Suspended". `documents` are the sub-resources that were put ("Policy", "CORSConfiguration").
    """

    name: str
    account: str
    region: str
    created: float
    versioning: str = ""
    documents: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extent:
    """`length` bytes from `offset` of a stored content: what an object or a part is made of."""

    content: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that were received and are on the disk (or are small), but belong to no object yet: commit or discard them.

    `md5` is hexadecimal, `checksums` base64 by S3's word ("CRC32"). `file` or `data` is where they are.
    """

    size: int
    md5: str
    checksums: Mapping[str, str]
    file: str = ""
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload, or of the object that was completed from it."""

    number: int
    size: int
    etag: str = ""
    modified: float = 0.0
    checksums: Mapping[str, str] = field(default_factory=dict)
    extents: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object: `etag` without quotes, `modified` in seconds since the epoch.

    `version` is "null" for what was written while versioning was not enabled. A `marker` is a delete marker and has no bytes.
    `attributes` are the API's members: ContentType, Metadata, StorageClass, ServerSideEncryption, ObjectLockMode...
    `parts` is empty for what was put in one piece.
    """

    bucket: str
    key: str
    version: str
    size: int
    etag: str
    modified: float
    latest: bool = True
    marker: bool = False
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str = "FULL_OBJECT"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    extents: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of the latest version when a write is committed; "" asks nothing.

    `match` is an ETag without quotes, or "*" for any object; `none_match` is "*": there must be none.
    `size` and `modified` (whole seconds) belong to deletes.
    """

    match: str = ""
    none_match: str = ""
    size: int | None = None
    modified: float | None = None


NO_CONDITION = Condition()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new version shall be, apart from its bytes."""

    bucket: str
    key: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    condition: Condition = NO_CONDITION


@dataclass(frozen=True, slots=True)
class Removal:
    """A delete of the latest version (`version` ""), which may leave a delete marker, or of one version for good.

    `bypass` passes over a retention in GOVERNANCE mode.
    """

    key: str
    version: str = ""
    condition: Condition = NO_CONDITION
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """`marker` is the version id of the delete marker that was made or removed; `version` of what was removed for good.

    `error` says why nothing was removed.
    """

    key: str
    version: str = ""
    marker: str = ""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Which keys, in byte order: those with `prefix`, from the first after `after` (exclusive).

    `delimiter` folds keys into common prefixes. `after_version`, for versions, goes on within the key `after`. A page holds at most
    `limit` keys and common prefixes together.
    """

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_version: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`last` and `last_version` are where the next page begins, when `truncated`."""

    items: list[T]
    prefixes: list[str]
    truncated: bool
    last: str = ""
    last_version: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts. `algorithm` and `checksum_type` are what the completed object's checksum will be."""

    id: str
    bucket: str
    key: str
    account: str
    started: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = "CRC64NVME"
    checksum_type: str = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Completion:
    """What a CompleteMultipartUpload names: the parts with what the client believes of them, and of the whole.

    `size` and `checksums` are None and empty when the client does not say.
    """

    parts: Sequence[Part]
    condition: Condition = NO_CONDITION
    size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)


class Buckets(Protocol):
    """Buckets, whose names are global: an account cannot take a name that another account has."""

    async def find(self, name: str) -> Bucket | None: ...

    async def list(self, account: str, *, prefix: str = "", after: str = "", limit: int = 10_000) -> list[Bucket]: ...

    async def create(self, bucket: Bucket) -> bool:
        """False when the name is taken."""
        ...

    async def change(self, name: str, documents: Mapping[str, Any], *, versioning: str | None = None) -> None:
        """Put the given documents, remove those that are None, leave the others."""
        ...

    async def delete(self, name: str) -> None:
        """Raises BucketNotEmpty while it holds a version, a delete marker or an open upload."""
        ...


class Contents(Protocol):
    """Bytes on their way in and out. A process that dies between `receive` and a commit leaves nothing behind for long."""

    async def receive(
        self, pieces: AsyncIterable[bytes], algorithms: Sequence[str] = (), *, small: bool = True
    ) -> Content:
        """Take the pieces in and hash them; what the iterator raises drops them. Memory does not grow with the size.

        `small` contents may be kept in the index; a part of an upload may not.
        """
        ...

    async def discard(self, content: Content) -> None: ...

    async def read(self, version: Version, start: int, length: int) -> bytes | FileBody:
        """The files stay for a while after the version is deleted, so that who reads it may finish."""
        ...

    async def checksums(self, version: Version, algorithms: Sequence[str]) -> Mapping[str, str]:
        """Read the bytes and hash them."""
        ...


class Versions(Protocol):
    """Objects and their versions. Each write is atomic, and its condition is judged in the same instant."""

    async def find(self, bucket: str, key: str, version: str = "") -> Version | None:
        """The latest version, which may be a delete marker, or the named one."""
        ...

    async def commit(self, draft: Draft, content: Content) -> Version: ...

    async def copy(self, draft: Draft, source: Version, checksums: Mapping[str, str] | None = None) -> Version:
        """A new version of the same bytes, none of which are copied."""
        ...

    async def remove(self, bucket: str, removals: Sequence[Removal]) -> list[Removed]:
        """All in one step; what cannot be removed says so in its `error`."""
        ...

    async def change(
        self, version: Version, *, attributes: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        """Replace what is given, on this version."""
        ...

    async def list(self, bucket: str, listing: Listing) -> Page[Version]:
        """Objects: the latest versions that are no delete markers. Without attributes, tags, parts and extents."""
        ...

    async def list_versions(self, bucket: str, listing: Listing) -> Page[Version]:
        """Every version and delete marker, the newest of a key first."""
        ...


class Uploads(Protocol):
    """Uploads in parts. Completing joins the parts without copying a byte."""

    async def create(self, upload: Upload) -> None: ...

    async def find(self, bucket: str, key: str, upload: str) -> Upload:
        """Raises NoSuchUpload."""
        ...

    async def list(self, bucket: str, listing: Listing) -> Page[Upload]:
        """By key, then by time; `after_version` is an upload's id."""
        ...

    async def put_part(self, upload: Upload, number: int, content: Content) -> Part:
        """A part of the same number is replaced."""
        ...

    async def copy_part(self, upload: Upload, number: int, source: Version, start: int, length: int) -> Part: ...

    async def parts(self, upload: Upload, *, after: int = 0, limit: int = 1000) -> Sequence[Part]: ...

    async def complete(self, upload: Upload, completion: Completion) -> Version: ...

    async def abort(self, upload: Upload) -> None: ...


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The four of them, as services/s3 finds them in `world.parts["object_store"]`."""

    buckets: Buckets
    contents: Contents
    versions: Versions
    uploads: Uploads
