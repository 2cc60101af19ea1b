"""How buckets, versions, parts and uploads stand in the rows of the index."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from salvia.base.errors import AwsError
from salvia.ports.object_store import Bucket, Extent, Part, Upload, Version

BUCKET = "name, account, region, created, versioning, documents"
SUMMARY = "bucket, key, version, size, etag, modified, latest, marker, storage_class, checksum_type, checksums"
VERSION = f"{SUMMARY}, attributes, tags, parts, extents"
UPLOAD = "id, bucket, key, account, started, attributes, tags, algorithm, checksum_type"
PART = "number, size, etag, modified, checksums, extents"

Row = Sequence[Any]


def packed(document: object) -> str:
    """Raises AwsError for what JSON cannot say, such as a header that is not UTF-8."""
    try:
        return orjson.dumps(document).decode()
    except orjson.JSONEncodeError as error:
        raise AwsError(f"The request has a value that cannot be kept: {error}", code="InvalidRequest") from error


def bucket(row: Row) -> Bucket:
    name, account, region, created, versioning, documents = row
    return Bucket(name, account, region, created, versioning, orjson.loads(documents))


def summary(row: Row) -> Version:
    """A version without attributes, except its storage class, and without tags, parts and extents."""
    name, key, version, size, etag, modified, latest, marker, storage_class, checksum_type, checksums = row[:11]
    return Version(
        name,
        key,
        version,
        size,
        etag,
        modified,
        latest=bool(latest),
        marker=bool(marker),
        checksums=orjson.loads(checksums),
        checksum_type=checksum_type,
        attributes={"StorageClass": storage_class},
    )


def version(row: Row) -> Version:
    found = summary(row)
    attributes, tags, parts, extents = (orjson.loads(column) for column in row[11:15])
    return Version(
        found.bucket,
        found.key,
        found.version,
        found.size,
        found.etag,
        found.modified,
        latest=found.latest,
        marker=found.marker,
        checksums=found.checksums,
        checksum_type=found.checksum_type,
        attributes=attributes,
        tags=tags,
        parts=tuple(Part(number, size, checksums=sums) for number, size, sums in parts),
        extents=unpack_extents(extents),
    )


def version_columns(made: Version, seq: int) -> tuple[Any, ...]:
    """In the order of the table."""
    return (
        made.bucket,
        made.key,
        seq,
        made.version,
        int(made.latest),
        int(made.marker),
        made.size,
        made.etag,
        made.modified,
        storage_class(made.attributes),
        made.checksum_type,
        packed(made.checksums),
        packed(made.attributes),
        packed(made.tags),
        packed([[part.number, part.size, part.checksums] for part in made.parts]),
        pack_extents(made.extents),
    )


def storage_class(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("StorageClass", "STANDARD"))


def upload(row: Row) -> Upload:
    id_, name, key, account, started, attributes, tags, algorithm, checksum_type = row
    return Upload(
        id_, name, key, account, started, orjson.loads(attributes), orjson.loads(tags), algorithm, checksum_type
    )


def part(row: Row) -> Part:
    number, size, etag, modified, checksums, extents = row
    return Part(number, size, etag, modified, orjson.loads(checksums), unpack_extents(orjson.loads(extents)))


def pack_extents(extents: Sequence[Extent]) -> str:
    return packed([[extent.content, extent.offset, extent.length] for extent in extents])


def unpack_extents(rows: list[list[int]]) -> tuple[Extent, ...]:
    return tuple(Extent(*row) for row in rows)
