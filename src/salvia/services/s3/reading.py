"""GetObject, HeadObject and GetObjectAttributes: versions, conditions, ranges and parts."""

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from salvia.base.call import Call, Reply
from salvia.base.errors import AwsError
from salvia.ports.object_errors import NoSuchKey, NoSuchVersion, PreconditionFailed
from salvia.ports.object_store import Bucket, Version
from salvia.resources.world import World
from salvia.services.s3 import attributes
from salvia.services.s3.access import bucket_of, check_key, open_bucket, store_of
from salvia.services.s3.errors import InvalidArgument, InvalidRequest
from salvia.services.s3.listing import most, part_marker

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


async def get_object(world: World, call: Call) -> Reply:
    return await _read(world, call, with_body=True)


async def head_object(world: World, call: Call) -> Reply:
    return await _read(world, call, with_body=False)


async def get_object_attributes(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    found = await version_of(world, bucket, call.params["Key"], call.params.get("VersionId") or "")
    asked = call.params["ObjectAttributes"]
    told: dict[str, Any] = {"LastModified": float(int(found.modified))}
    if bucket.versioning:
        told["VersionId"] = found.version
    if "ETag" in asked:
        told["ETag"] = found.etag
    if "Checksum" in asked and found.checksums:
        told["Checksum"] = attributes.checksum_members(found.checksums) | {"ChecksumType": found.checksum_type}
    if "ObjectParts" in asked and found.parts:
        told["ObjectParts"] = _parts_page(found, call.params)
    if "StorageClass" in asked:
        told["StorageClass"] = found.attributes.get("StorageClass", "STANDARD")
    if "ObjectSize" in asked:
        told["ObjectSize"] = found.size
    return told


async def version_of(world: World, bucket: Bucket, key: str, version: str) -> Version:
    """A version that has bytes. Raises NoSuchKey, NoSuchVersion, or MethodNotAllowed for a named delete marker."""
    found = await store_of(world).versions.find(bucket.name, key, version)
    if found is None:
        raise NoSuchVersion(key, version) if version else NoSuchKey(key)
    if not found.marker:
        return found
    told = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version}
    if version:
        raise AwsError(
            "The specified method is not allowed against this resource.",
            code="MethodNotAllowed",
            http_status=405,
            headers=told | {"Allow": "DELETE", "Last-Modified": formatdate(found.modified, usegmt=True)},
        )
    gone = NoSuchKey(key)
    gone.headers |= told
    raise gone


async def source_of(world: World, call: Call) -> tuple[Bucket, Version]:
    """What CopySource names: `bucket/key?versionId=...`, percent-encoded, perhaps with a leading slash."""
    text = call.params["CopySource"]
    path, _, version = text.partition("?versionId=")
    name, _, key = unquote(path).removeprefix("/").partition("/")
    if not name or not key:
        raise InvalidArgument("x-amz-copy-source", text, "You must specify the source as bucket/key.")
    check_key(key)
    bucket = await open_bucket(world, call, name, call.params.get("ExpectedSourceBucketOwner"))
    return bucket, await version_of(world, bucket, key, version)


def check_source(params: Mapping[str, Any], source: Version) -> None:
    failed = _failed_condition(params, source, "CopySource")
    if failed:
        raise PreconditionFailed(f"x-amz-copy-source-{failed}")


async def _read(world: World, call: Call, *, with_body: bool) -> Reply:
    bucket = await bucket_of(world, call)
    params = call.params
    found = await version_of(world, bucket, params["Key"], params.get("VersionId") or "")
    failed = _failed_condition(params, found, "")
    if failed in {"If-Match", "If-Unmodified-Since"}:
        raise PreconditionFailed(failed)
    if failed:
        return Reply(status=304, headers=_identity(bucket, found), body=b"")
    members = _members(bucket, found, call)
    start, length = 0, found.size
    checksums = found.checksums
    status = None
    if params.get("PartNumber") is not None:
        start, length = _part_range(params, found)
        status = 206
        if found.parts:
            members["PartsCount"] = len(found.parts)
            checksums = found.parts[params["PartNumber"] - 1].checksums
    elif (asked := _asked_range(params.get("Range"), found.size)) is not None:
        start, length = asked
        status = 206
        checksums = {}
    # the C++ SDK, and so pyarrow, writes it in lower case
    if (params.get("ChecksumMode") or "").upper() == "ENABLED" and checksums:
        members |= attributes.checksum_members(checksums) | {"ChecksumType": found.checksum_type}
    if status and length:
        members["ContentRange"] = f"bytes {start}-{start + length - 1}/{found.size}"
    members["ContentLength"] = length
    if with_body:
        members["Body"] = await store_of(world).contents.read(found, start, length)
    return Reply(members, status)


def _members(bucket: Bucket, found: Version, call: Call) -> dict[str, Any]:
    members = {
        "AcceptRanges": "bytes",
        "LastModified": float(int(found.modified)),
        "ETag": f'"{found.etag}"',
        **attributes.told(found),
    }
    if bucket.versioning:
        members["VersionId"] = found.version
    if found.tags:
        members["TagCount"] = len(found.tags)
    overrides = {name: call.params[asked] for asked, name in _OVERRIDES.items() if call.params.get(asked) is not None}
    if overrides and not call.account:
        raise InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    return members | overrides


def _identity(bucket: Bucket, found: Version) -> dict[str, str]:
    told = {"ETag": f'"{found.etag}"', "Last-Modified": formatdate(found.modified, usegmt=True)}
    return told | ({"x-amz-version-id": found.version} if bucket.versioning else {})


def _failed_condition(params: Mapping[str, Any], found: Version, prefix: str) -> str:
    """The name of the condition that does not hold, "" when all do. An ETag's word goes before a date's."""
    match, none_match = params.get(f"{prefix}IfMatch"), params.get(f"{prefix}IfNoneMatch")
    since, until = params.get(f"{prefix}IfModifiedSince"), params.get(f"{prefix}IfUnmodifiedSince")
    modified = int(found.modified)
    if match is not None and not _names(match, found.etag):
        return "If-Match"
    if match is None and until is not None and modified > until:
        return "If-Unmodified-Since"
    if none_match is not None and _names(none_match, found.etag):
        return "If-None-Match"
    if none_match is None and since is not None and modified <= since:
        return "If-Modified-Since"
    return ""


def _names(condition: str, etag: str) -> bool:
    words = {word.strip().removeprefix("W/").strip('"') for word in condition.split(",")}
    return "*" in words or etag in words


def _asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, length) of the one range that was asked; None when none was, or not in a form that is understood."""
    matched = _RANGE.match(header or "")
    if matched is None or matched.groups() == ("", ""):
        return None
    first, last = matched.groups()
    start, end = (int(first), int(last) if last else size - 1) if first else (max(0, size - int(last)), size - 1)
    if first and last and end < start:
        return None
    if start >= size or end < start:
        raise AwsError(
            "The requested range is not satisfiable",
            code="InvalidRange",
            http_status=416,
            members={"RangeRequested": header, "ActualObjectSize": size},
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, min(end, size - 1) - start + 1


def _part_range(params: Mapping[str, Any], found: Version) -> tuple[int, int]:
    if params.get("Range"):
        raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
    number = params["PartNumber"]
    if not 1 <= number <= 10_000:
        raise InvalidArgument("partNumber", number, "Part number must be an integer between 1 and 10000, inclusive")
    sizes = [part.size for part in found.parts] or [found.size]
    if number > len(sizes):
        raise AwsError(
            "The requested partnumber is not satisfiable",
            code="InvalidPartNumber",
            http_status=416,
            members={"PartNumberRequested": number, "ActualPartCount": len(sizes)},
        )
    return sum(sizes[: number - 1]), sizes[number - 1]


def _parts_page(found: Version, params: Mapping[str, Any]) -> dict[str, Any]:
    after = part_marker(params.get("PartNumberMarker"))
    limit = most(params.get("MaxParts"), "max-parts")
    # S3 counts the parts of the object from 1, whatever their numbers in the upload were
    numbered = list(enumerate(found.parts, 1))[after : after + limit]
    return {
        "TotalPartsCount": len(found.parts),
        "PartNumberMarker": str(after),
        "NextPartNumberMarker": str(numbered[-1][0] if numbered else after),
        "MaxParts": limit,
        "IsTruncated": after + limit < len(found.parts),
        "Parts": [
            {"PartNumber": number, "Size": part.size} | attributes.checksum_members(part.checksums)
            for number, part in numbered
        ],
    }
