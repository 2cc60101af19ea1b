"""PutObject and CopyObject: new versions from a body or from another object."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

from salvia.base.call import Call, Stream
from salvia.base.errors import AwsError
from salvia.ports.object_errors import BadDigest
from salvia.ports.object_store import Bucket, Condition, Content, Draft, ObjectStore, Version
from salvia.resources.world import World
from salvia.services.s3 import attributes
from salvia.services.s3.access import bucket_of, store_of
from salvia.services.s3.attributes import ALGORITHMS
from salvia.services.s3.errors import InvalidArgument, InvalidRequest, NotImplementedHere
from salvia.services.s3.reading import check_source, source_of

LARGEST_PUT = 5 * 1024**3
_DEFAULT_CHECKSUM = "CRC64NVME"


async def put_object(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    if call.params.get("WriteOffsetBytes") is not None:
        raise NotImplementedHere("Appending to an object is for directory buckets, which are not served here.")
    draft = Draft(
        bucket.name,
        call.params["Key"],
        attributes.kept(bucket, call.params, world.clock.now()),
        attributes.tags_of_header(call.params.get("Tagging")),
        condition_of(call.params),
    )
    content = await receive_body(store_of(world), call)
    made = await store_of(world).versions.commit(draft, content)
    return made_members(bucket, made) | {"ChecksumType": "FULL_OBJECT"}


async def copy_object(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    store = store_of(world)
    source_bucket, source = await source_of(world, call)
    check_source(call.params, source)
    if source.size > LARGEST_PUT:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST_PUT}"
        )
    _refuse_idle_copy(call.params, source)
    draft = Draft(
        bucket.name,
        call.params["Key"],
        _copied_attributes(world, bucket, call.params, source),
        _copied_tags(call.params, source),
        condition_of(call.params),
    )
    wanted = call.params.get("ChecksumAlgorithm")
    checksums = None
    if wanted and wanted not in source.checksums:
        checksums = await store.contents.checksums(source, [known_algorithm(wanted)])
    made = await store.versions.copy(draft, source, checksums)
    result = {"ETag": quoted(made.etag), "LastModified": float(int(made.modified)), "ChecksumType": made.checksum_type}
    told = {
        "CopyObjectResult": result | attributes.checksum_members(made.checksums),
        **version_member(bucket, made),
        **attributes.told_encryption(made),
    }
    if source_bucket.versioning:
        told["CopySourceVersionId"] = source.version
    return told


def condition_of(params: Mapping[str, Any]) -> Condition:
    none_match = params.get("IfNoneMatch") or ""
    if none_match not in {"", "*"}:
        raise NotImplementedHere("A write with If-None-Match takes only the value '*'.")
    return Condition((params.get("IfMatch") or "").strip('"'), none_match)


async def receive_body(store: ObjectStore, call: Call, *, small: bool = True, also: str = "") -> Content:
    """Store the body of the call, and check it against every digest that came with it. `also` is one more checksum to take."""
    given = attributes.given_checksums(call.params)
    if len(given) > 1:
        raise InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    asked = call.params.get("ChecksumAlgorithm")
    announced = _announced(call.headers.get("x-amz-trailer", ""))
    algorithms = {*given, *announced, *([known_algorithm(asked)] if asked else []), *([also] if also else [])}
    md5 = _md5_of(call.params.get("ContentMD5"))
    length = call.body.length if call.body is not None else 0
    if length is not None and length > LARGEST_PUT:
        raise _too_large(length)
    content = await store.contents.receive(_limited(call.body), sorted(algorithms) or [_DEFAULT_CHECKSUM], small=small)
    trailers = call.body.trailers if call.body is not None else {}
    given |= {name: trailers[header] for name in announced if (header := f"x-amz-checksum-{name.lower()}") in trailers}
    wrong = next((name for name, value in given.items() if content.checksums[name] != value), None)
    if md5 and md5 != content.md5:
        wrong = "Content-MD5"
    if wrong:
        await store.contents.discard(content)
        raise BadDigest(wrong)
    return content


def made_members(bucket: Bucket, made: Version) -> dict[str, Any]:
    return {
        "ETag": quoted(made.etag),
        **attributes.checksum_members(made.checksums),
        **version_member(bucket, made),
        **attributes.told_encryption(made),
    }


def version_member(bucket: Bucket, made: Version) -> dict[str, str]:
    """A bucket that never was versioned does not speak of versions."""
    return {"VersionId": made.version} if bucket.versioning else {}


def quoted(etag: str) -> str:
    return f'"{etag}"'


def known_algorithm(name: str) -> str:
    if name.upper() not in ALGORITHMS:
        raise InvalidRequest(f"Checksum algorithm provided is unsupported. Please try again with any of {ALGORITHMS}.")
    return name.upper()


def _announced(trailer: str) -> list[str]:
    """The algorithms whose checksums come behind the body."""
    names = [
        name.strip().removeprefix("x-amz-checksum-").upper() for name in trailer.lower().split(",") if name.strip()
    ]
    return [name for name in names if name in ALGORITHMS]


def _md5_of(header: str | None) -> str:
    if header is None:
        return ""
    try:
        digest = base64.b64decode(header, validate=True)
    except ValueError:  # not Base64, or not even ASCII
        digest = b""
    if len(digest) != 16:
        raise AwsError("The Content-MD5 you specified was invalid.", code="InvalidDigest")
    return digest.hex()


async def _limited(body: Stream | None) -> AsyncIterator[bytes]:
    size = 0
    if body is None:
        return
    async for piece in body:
        size += len(piece)
        if size > LARGEST_PUT:
            raise _too_large(size)
        yield piece


def _too_large(size: int) -> AwsError:
    return AwsError(
        "Your proposed upload exceeds the maximum allowed size",
        code="EntityTooLarge",
        members={"ProposedSize": size, "MaxSizeAllowed": LARGEST_PUT},
    )


def _refuse_idle_copy(params: Mapping[str, Any], source: Version) -> None:
    itself = params["Bucket"] == source.bucket and params["Key"] == source.key and source.latest
    changes = ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "ChecksumAlgorithm")
    replaces = params.get("MetadataDirective") == "REPLACE" or params.get("TaggingDirective") == "REPLACE"
    if itself and not replaces and not any(params.get(name) for name in changes):
        raise InvalidRequest(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
            "metadata, storage class, website redirect location or encryption attributes."
        )


def _copied_attributes(world: World, bucket: Bucket, params: Mapping[str, Any], source: Version) -> dict[str, Any]:
    directive = params.get("MetadataDirective") or "COPY"
    if directive not in {"COPY", "REPLACE"}:
        raise InvalidArgument("x-amz-metadata-directive", directive, "Unknown metadata directive.")
    if directive == "REPLACE":
        return attributes.kept(bucket, params, world.clock.now())
    described = {name: source.attributes.get(name) for name in attributes.DESCRIBING}
    return attributes.kept(bucket, {**params, **described}, world.clock.now())


def _copied_tags(params: Mapping[str, Any], source: Version) -> dict[str, str]:
    if params.get("TaggingDirective") == "REPLACE":
        return attributes.tags_of_header(params.get("Tagging"))
    return dict(source.tags)
