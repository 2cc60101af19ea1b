"""ListObjects, ListObjectsV2 and ListObjectVersions: byte order, delimiters, opaque tokens."""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from salvia.base.call import Call
from salvia.ports.object_store import Bucket, Listing, Page, Version
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, owner, store_of
from salvia.services.s3.errors import InvalidArgument

_MOST = 1000
Encode = Callable[[str], str]


async def list_objects_v2(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    params = call.params
    encode = encoder(params)
    token = params.get("ContinuationToken")
    after = unpacked_token(token) if token is not None else params.get("StartAfter") or ""
    page = await store_of(world).versions.list(bucket.name, asked(params, after))
    told = _echo(bucket, params, encode, "StartAfter")
    told |= _found(bucket, page, encode, with_owner=bool(params.get("FetchOwner")))
    told["KeyCount"] = len(page.items) + len(page.prefixes)
    if token is not None:
        told["ContinuationToken"] = token
    if page.truncated:
        told["NextContinuationToken"] = packed_token(page.last)
    return told


async def list_objects(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    params = call.params
    encode = encoder(params)
    page = await store_of(world).versions.list(bucket.name, asked(params, params.get("Marker") or ""))
    told = _echo(bucket, params, encode) | {"Marker": encode(params.get("Marker") or "")}
    told |= _found(bucket, page, encode, with_owner=True)
    if page.truncated and params.get("Delimiter"):
        told["NextMarker"] = encode(page.last)
    return told


async def list_object_versions(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    params = call.params
    encode = encoder(params)
    if params.get("VersionIdMarker") and not params.get("KeyMarker"):
        raise InvalidArgument(
            "version-id-marker",
            params["VersionIdMarker"],
            "A version-id marker cannot be specified without a key marker.",
        )
    listing = asked(params, params.get("KeyMarker") or "", params.get("VersionIdMarker") or "")
    page = await store_of(world).versions.list_versions(bucket.name, listing)
    told = _echo(bucket, params, encode) | {
        "KeyMarker": encode(params.get("KeyMarker") or ""),
        "VersionIdMarker": params.get("VersionIdMarker") or "",
        "IsTruncated": page.truncated,
        "Versions": [_version(bucket, item, encode) for item in page.items if not item.marker],
        "DeleteMarkers": [_marker(bucket, item, encode) for item in page.items if item.marker],
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in page.prefixes],
    }
    if page.truncated:
        told |= {"NextKeyMarker": encode(page.last), "NextVersionIdMarker": page.last_version}
    return told


def asked(params: Mapping[str, Any], after: str, after_version: str = "") -> Listing:
    return Listing(
        prefix=params.get("Prefix") or "",
        delimiter=params.get("Delimiter") or "",
        after=after,
        after_version=after_version,
        limit=most(params.get("MaxKeys"), "max-keys"),
    )


def most(wanted: int | None, name: str) -> int:
    if wanted is None:
        return _MOST
    if wanted < 0:
        raise InvalidArgument(name, wanted, f"Argument {name} must be an integer between 0 and 2147483647")
    return min(wanted, _MOST)


def encoder(params: Mapping[str, Any]) -> Encode:
    """How keys are written in the answer: as they are, or percent-encoded when EncodingType is "url"."""
    encoding = params.get("EncodingType")
    if encoding not in {None, "url"}:
        raise InvalidArgument("encoding-type", encoding, "Invalid Encoding Method specified in Request")
    if encoding is None:
        return lambda text: text
    return lambda text: quote(text, safe="/*-_.~")


def part_marker(value: object) -> int:
    """A part number to go on behind; 0 when there is none."""
    text = str(value or 0)
    if not text.isascii() or not text.isdigit():
        raise InvalidArgument(
            "part-number-marker", text, "Argument part-number-marker must be an integer between 0 and 2147483647"
        )
    return min(int(text[:10]), 2_147_483_647)


def packed_token(name: str) -> str:
    """Says where the next page begins; nobody should read it."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def unpacked_token(token: str) -> str:
    """The name after which to go on. Raises InvalidArgument for a token that no reply gave."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:  # not Base64, not UTF-8, or not even ASCII
        raise InvalidArgument("continuation-token", token, "The continuation token provided is incorrect") from None


def _echo(bucket: Bucket, params: Mapping[str, Any], encode: Encode, *also: str) -> dict[str, Any]:
    told: dict[str, Any] = {"Name": bucket.name, "Prefix": encode(params.get("Prefix") or "")}
    told["MaxKeys"] = most(params.get("MaxKeys"), "max-keys")
    told |= {name: encode(params[name]) for name in ("Delimiter", *also) if params.get(name)}
    return told | ({"EncodingType": params["EncodingType"]} if params.get("EncodingType") else {})


def _found(bucket: Bucket, page: Page[Version], encode: Encode, *, with_owner: bool) -> dict[str, Any]:
    whose = {"Owner": owner(bucket.account)} if with_owner else {}
    return {
        "IsTruncated": page.truncated,
        "Contents": [_summary(item, encode) | whose for item in page.items],
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in page.prefixes],
    }


def _summary(item: Version, encode: Encode) -> dict[str, Any]:
    told = {
        "Key": encode(item.key),
        "LastModified": float(int(item.modified)),
        "ETag": f'"{item.etag}"',
        "Size": item.size,
        "StorageClass": item.attributes["StorageClass"],
    }
    if item.checksums:
        told |= {"ChecksumAlgorithm": list(item.checksums), "ChecksumType": item.checksum_type}
    return told


def _version(bucket: Bucket, item: Version, encode: Encode) -> dict[str, Any]:
    whose = {"VersionId": item.version, "IsLatest": item.latest, "Owner": owner(bucket.account)}
    return _summary(item, encode) | whose


def _marker(bucket: Bucket, item: Version, encode: Encode) -> dict[str, Any]:
    return {
        "Key": encode(item.key),
        "VersionId": item.version,
        "IsLatest": item.latest,
        "LastModified": float(int(item.modified)),
        "Owner": owner(bucket.account),
    }
