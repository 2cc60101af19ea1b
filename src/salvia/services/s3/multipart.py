"""Uploads in parts: create, upload, copy, list, complete, abort."""

import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.object_errors import PreconditionFailed
from salvia.ports.object_store import Bucket, Completion, Part, Upload
from salvia.resources.world import World
from salvia.services.s3 import attributes
from salvia.services.s3.access import bucket_of, owner, store_of
from salvia.services.s3.errors import InvalidArgument, InvalidRequest, MalformedXml
from salvia.services.s3.listing import asked, encoder, most, part_marker
from salvia.services.s3.reading import check_source, source_of
from salvia.services.s3.writing import condition_of, known_algorithm, made_members, quoted, receive_body

_MOST_PARTS = 10_000
_LARGEST_PART = 5 * 1024**3
_WHOLE = {"CRC32", "CRC32C", "CRC64NVME"}  # can be combined into a checksum of the whole
_SOURCE_RANGE = re.compile(r"bytes=(\d+)-(\d+)$")


async def create_multipart_upload(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    algorithm, checksum_type = _checksum_of(call.params)
    upload = Upload(
        uuid.uuid4().hex,
        bucket.name,
        call.params["Key"],
        call.account,
        world.clock.now(),
        attributes.kept(bucket, call.params, world.clock.now()),
        attributes.tags_of_header(call.params.get("Tagging")),
        algorithm,
        checksum_type,
    )
    await store_of(world).uploads.create(upload)
    told = {"Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id, **_told_encryption(upload)}
    if call.params.get("ChecksumAlgorithm"):
        told |= {"ChecksumAlgorithm": algorithm, "ChecksumType": checksum_type}
    return told


async def upload_part(world: World, call: Call) -> Mapping[str, Any]:
    upload = await _upload_of(world, call)
    store = store_of(world)
    content = await receive_body(store, call, small=False, also=upload.algorithm)
    part = await store.uploads.put_part(upload, _number(call.params), content)
    given = {*attributes.given_checksums(call.params), upload.algorithm}
    sums = {name: value for name, value in part.checksums.items() if name in given or len(part.checksums) == 1}
    return {"ETag": quoted(part.etag), **attributes.checksum_members(sums), **_told_encryption(upload)}


async def upload_part_copy(world: World, call: Call) -> Mapping[str, Any]:
    upload = await _upload_of(world, call)
    source_bucket, source = await source_of(world, call)
    check_source(call.params, source)
    start, length = _copied_range(call.params.get("CopySourceRange"), source.size)
    part = await store_of(world).uploads.copy_part(upload, _number(call.params), source, start, length)
    told: dict[str, Any] = {
        "CopyPartResult": {"ETag": quoted(part.etag), "LastModified": float(int(part.modified))}
        | attributes.checksum_members(part.checksums),
        **_told_encryption(upload),
    }
    return told | ({"CopySourceVersionId": source.version} if source_bucket.versioning else {})


async def list_parts(world: World, call: Call) -> Mapping[str, Any]:
    upload = await _upload_of(world, call)
    limit = most(call.params.get("MaxParts"), "max-parts")
    after = part_marker(call.params.get("PartNumberMarker"))
    found = list(await store_of(world).uploads.parts(upload, after=after, limit=limit + 1))
    shown = found[:limit]
    return {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else after,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit,
        "Initiator": owner(upload.account),
        "Owner": owner(upload.account),
        "StorageClass": upload.attributes.get("StorageClass", "STANDARD"),
        "ChecksumAlgorithm": upload.algorithm,
        "ChecksumType": upload.checksum_type,
        "Parts": [
            {"PartNumber": part.number, "LastModified": float(int(part.modified)), "ETag": quoted(part.etag)}
            | {"Size": part.size}
            | attributes.checksum_members(part.checksums)
            for part in shown
        ],
    }


async def list_multipart_uploads(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    params = call.params
    encode = encoder(params)
    limit = most(params.get("MaxUploads"), "max-uploads")
    key, after = params.get("KeyMarker") or "", params.get("UploadIdMarker") or ""
    page = await store_of(world).uploads.list(bucket.name, asked({**params, "MaxKeys": limit}, key, after))
    told = {
        "Bucket": bucket.name,
        "KeyMarker": encode(key),
        "UploadIdMarker": after,
        "Prefix": encode(params.get("Prefix") or ""),
        "MaxUploads": limit,
        "IsTruncated": page.truncated,
        "Uploads": [_listed(upload) | {"Key": encode(upload.key)} for upload in page.items],
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in page.prefixes],
    }
    told |= {name: encode(params[name]) for name in ("Delimiter",) if params.get(name)}
    told |= {"EncodingType": params["EncodingType"]} if params.get("EncodingType") else {}
    return told | (
        {"NextKeyMarker": encode(page.last), "NextUploadIdMarker": page.last_version} if page.truncated else {}
    )


async def complete_multipart_upload(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    upload = await _upload_of(world, call)
    params = call.params
    named = (params.get("MultipartUpload") or {}).get("Parts") or []
    if not named or any("PartNumber" not in part for part in named):
        raise MalformedXml
    if params.get("ChecksumType") and params["ChecksumType"] != upload.checksum_type:
        raise InvalidRequest(
            f"The upload was created using the {upload.checksum_type} checksum mode. "
            f"The complete request must use the same checksum mode."
        )
    completion = Completion(
        [
            Part(
                part["PartNumber"],
                0,
                (part.get("ETag") or "").strip('"'),
                checksums=attributes.given_checksums(part),
            )
            for part in named
        ],
        condition_of(params),
        params.get("MpuObjectSize"),
        attributes.given_checksums(params),
    )
    made = await store_of(world).uploads.complete(upload, completion)
    told = made_members(bucket, made) | {"Bucket": bucket.name, "Key": made.key}
    host = call.headers.get("host", "s3.amazonaws.com")
    return told | {"Location": f"http://{host}/{bucket.name}/{quote(made.key)}", "ChecksumType": made.checksum_type}


async def abort_multipart_upload(world: World, call: Call) -> Mapping[str, Any]:
    upload = await _upload_of(world, call)
    expected = call.params.get("IfMatchInitiatedTime")
    if expected is not None and int(expected) != int(upload.started):
        raise PreconditionFailed("x-amz-if-match-initiated-time")
    await store_of(world).uploads.abort(upload)
    return {}


async def _upload_of(world: World, call: Call) -> Upload:
    bucket: Bucket = await bucket_of(world, call)
    return await store_of(world).uploads.find(bucket.name, call.params["Key"], call.params["UploadId"])


def _number(params: Mapping[str, Any]) -> int:
    number: int = params["PartNumber"]
    if not 1 <= number <= _MOST_PARTS:
        raise InvalidArgument(
            "partNumber", number, f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive"
        )
    return number


def _checksum_of(params: Mapping[str, Any]) -> tuple[str, str]:
    """The algorithm and type that the completed object's checksum will have."""
    asked_type = params.get("ChecksumType")
    algorithm = known_algorithm(params.get("ChecksumAlgorithm") or "CRC64NVME")
    natural = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    checksum_type = asked_type or natural
    fits = algorithm in _WHOLE if checksum_type == "FULL_OBJECT" else algorithm != "CRC64NVME"
    if not fits:
        raise InvalidRequest(
            f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return algorithm, checksum_type


def _copied_range(header: str | None, size: int) -> tuple[int, int]:
    if header is None:
        start, end = 0, size - 1
    else:
        matched = _SOURCE_RANGE.match(header)
        if matched is None:
            raise InvalidArgument(
                "x-amz-copy-source-range",
                header,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
                "zero-based offsets of the first and last bytes to copy",
            )
        start, end = int(matched[1]), int(matched[2])
        if start > end or end >= size:
            raise InvalidArgument(
                "x-amz-copy-source-range", header, f"Range specified is not valid for source object of size: {size}"
            )
    if end - start + 1 > _LARGEST_PART:
        raise AwsError("Your proposed upload exceeds the maximum allowed size", code="EntityTooLarge")
    return start, end - start + 1


def _told_encryption(upload: Upload) -> dict[str, Any]:
    names = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
    return {name: upload.attributes[name] for name in names if name in upload.attributes}


def _listed(upload: Upload) -> dict[str, Any]:
    return {
        "UploadId": upload.id,
        "Initiated": float(int(upload.started)),
        "StorageClass": upload.attributes.get("StorageClass", "STANDARD"),
        "Owner": owner(upload.account),
        "Initiator": owner(upload.account),
        "ChecksumAlgorithm": upload.algorithm,
        "ChecksumType": upload.checksum_type,
    }
