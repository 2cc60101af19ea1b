"""What is kept with an object beside its bytes, and how it is told again: headers, metadata, encryption as asked, tags."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from salvia.ports.object_store import Bucket, Version
from salvia.services.s3.errors import InvalidArgument, InvalidRequest, InvalidTag, NotImplementedHere

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
DESCRIBING = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
)
_ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
_LOCK = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
_MOST_METADATA = 2048
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
_OBJECT_TAGS = 10
_DAY = 86_400.0


def kept(bucket: Bucket, params: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The attributes of a new object from the members of its request."""
    _refuse_customer_keys(params)
    found = {name: params[name] for name in (*DESCRIBING, "WebsiteRedirectLocation") if params.get(name) is not None}
    coding = ",".join(
        word.strip() for word in found.pop("ContentEncoding", "").split(",") if word.strip() not in {"", "aws-chunked"}
    )
    if coding:
        found["ContentEncoding"] = coding
    found.setdefault("ContentType", "binary/octet-stream")
    _check_metadata(found.get("Metadata", {}))
    return found | _storage(params) | encryption(bucket, params) | lock(bucket, params, now) | _acl(bucket, params)


def encryption(bucket: Bucket, params: Mapping[str, Any]) -> dict[str, Any]:
    """As asked by the request, else by the bucket's default. It is recorded and told; the bytes lie in plain."""
    asked = {name: params[name] for name in _ENCRYPTION if params.get(name) is not None}
    if asked.get("SSEKMSKeyId") and not str(asked.get("ServerSideEncryption", "")).startswith("aws:kms"):
        raise InvalidArgument(
            "x-amz-server-side-encryption-aws-kms-key-id",
            asked["SSEKMSKeyId"],
            "Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
        )
    if asked:
        return asked
    default = bucket.documents.get("ServerSideEncryptionConfiguration") or {}
    for rule in default.get("Rules", []):
        chosen = rule.get("ApplyServerSideEncryptionByDefault") or {}
        if chosen.get("SSEAlgorithm"):
            made = {"ServerSideEncryption": chosen["SSEAlgorithm"]}
            return made | ({"SSEKMSKeyId": chosen["KMSMasterKeyID"]} if chosen.get("KMSMasterKeyID") else {})
    return {}


def lock(bucket: Bucket, params: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The retention and legal hold of the request, else the bucket's default retention."""
    asked = {name: params[name] for name in _LOCK if params.get(name) is not None}
    configuration = bucket.documents.get("ObjectLockConfiguration")
    if asked and not configuration:
        raise InvalidRequest("Bucket is missing Object Lock Configuration")
    if ("ObjectLockMode" in asked) != ("ObjectLockRetainUntilDate" in asked):
        raise InvalidArgument(
            "x-amz-object-lock-mode",
            asked.get("ObjectLockMode"),
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )
    default = ((configuration or {}).get("Rule") or {}).get("DefaultRetention") or {}
    if "ObjectLockMode" not in asked and default.get("Mode"):
        days = default.get("Days") or 365 * default.get("Years", 0)
        asked |= {"ObjectLockMode": default["Mode"], "ObjectLockRetainUntilDate": now + days * _DAY}
    return asked


def told(version: Version) -> dict[str, Any]:
    """The output members that say again what was kept."""
    found = {name: value for name, value in version.attributes.items() if name not in {"ACL", "AccessControlPolicy"}}
    if found.get("StorageClass") == "STANDARD":
        del found["StorageClass"]
    return found


def told_encryption(version: Version) -> dict[str, Any]:
    return {name: version.attributes[name] for name in _ENCRYPTION if name in version.attributes}


def checksum_members(checksums: Mapping[str, str]) -> dict[str, str]:
    return {f"Checksum{name}": value for name, value in checksums.items()}


def given_checksums(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: params[f"Checksum{name}"] for name in ALGORITHMS if params.get(f"Checksum{name}")}


def tags_of_header(text: str | None) -> dict[str, str]:
    """`Tagging: a=1&b=2`, as PutObject brings it."""
    pairs = parse_qsl(text or "", keep_blank_values=True)
    return checked_tags(pairs, _OBJECT_TAGS)


def tags_of_set(tag_set: Sequence[Mapping[str, str]], most: int = _OBJECT_TAGS) -> dict[str, str]:
    return checked_tags([(tag["Key"], tag.get("Value") or "") for tag in tag_set], most)


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def checked_tags(pairs: Iterable[tuple[str, str]], most: int) -> dict[str, str]:
    pairs = list(pairs)
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise InvalidTag("Cannot provide multiple Tags with the same key")
    if len(tags) > most:
        error = InvalidTag(f"Object tags cannot be greater than {most}")
        error.code = "BadRequest"
        raise error
    for key, value in pairs:
        if not key or len(key) > 128:
            raise InvalidTag("The TagKey you have provided is invalid")
        if len(value) > 256:
            raise InvalidTag("The TagValue you have provided is invalid")
        if key.lower().startswith("aws:"):
            raise InvalidTag("System tags cannot be added/updated by requester")
    return tags


def _storage(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"StorageClass": params.get("StorageClass") or "STANDARD"}


def _acl(bucket: Bucket, params: Mapping[str, Any]) -> dict[str, Any]:
    check_acl(bucket, params)
    return {"ACL": params["ACL"]} if params.get("ACL") else {}


def check_acl(bucket: Bucket, params: Mapping[str, Any]) -> None:
    """By default (BucketOwnerEnforced) a bucket takes no ACL but those that give the owner everything, as in AWS."""
    controls = bucket.documents.get("OwnershipControls") or {}
    ownership = next((rule["ObjectOwnership"] for rule in controls.get("Rules", [])), "BucketOwnerEnforced")
    if ownership != "BucketOwnerEnforced":
        return
    grants = any(
        params.get(name) for name in ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
    )
    if grants or params.get("ACL") not in {None, "", "private", "bucket-owner-full-control"}:
        error = InvalidRequest("The bucket does not allow ACLs")
        error.code = "AccessControlListNotSupported"
        raise error


def _check_metadata(metadata: Mapping[str, str]) -> None:
    for name in metadata:
        if not _TOKEN.fullmatch(name):  # a form can say what no header can, and it is told as a header
            raise InvalidArgument("x-amz-meta-", name, "The name of user-defined metadata is that of an HTTP header.")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > _MOST_METADATA:
        error = InvalidRequest("Your metadata headers exceed the maximum allowed metadata size")
        error.code = "MetadataTooLarge"
        error.members |= {"Size": size, "MaxSizeAllowed": _MOST_METADATA}
        raise error


def _refuse_customer_keys(params: Mapping[str, Any]) -> None:
    if params.get("SSECustomerAlgorithm") or params.get("SSECustomerKey"):
        raise NotImplementedHere(
            "Encryption with a key of the customer (SSE-C) is not done here, so it is refused; "
            "x-amz-server-side-encryption AES256 and aws:kms are accepted and recorded."
        )
