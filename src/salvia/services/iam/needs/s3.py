"""The needs of S3 requests, whose actions are not always called as the operations are."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from salvia.base.call import Call
from salvia.services.iam.needs.need import Need

_NAMED_OTHERWISE: Mapping[str, str] = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
_OF_A_VERSION: Mapping[str, str] = {
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
}
_WITH_MEMBER: Sequence[tuple[str, str]] = (  # what a member of a write asks for besides
    ("Tagging", "PutObjectTagging"),
    ("ACL", "PutObjectAcl"),
    ("GrantFullControl", "PutObjectAcl"),
    ("GrantRead", "PutObjectAcl"),
    ("GrantReadACP", "PutObjectAcl"),
    ("GrantWriteACP", "PutObjectAcl"),
    ("ObjectLockMode", "PutObjectRetention"),
    ("ObjectLockLegalHoldStatus", "PutObjectLegalHold"),
)
_WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_KEYS_IN_BODY = frozenset({"PostObject", "DeleteObjects"})  # which a form, or a request passed on raw, does not show
_KEYS: Sequence[tuple[str, str]] = (
    ("Prefix", "s3:prefix"),
    ("Delimiter", "s3:delimiter"),
    ("MaxKeys", "s3:max-keys"),
    ("ACL", "s3:x-amz-acl"),
    ("GrantFullControl", "s3:x-amz-grant-full-control"),
    ("ServerSideEncryption", "s3:x-amz-server-side-encryption"),
    ("SSEKMSKeyId", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
    ("StorageClass", "s3:x-amz-storage-class"),
    ("CopySource", "s3:x-amz-copy-source"),
    ("MetadataDirective", "s3:x-amz-metadata-directive"),
    ("VersionId", "s3:versionid"),
    ("ObjectLockMode", "s3:object-lock-mode"),
)


def needs(call: Call) -> Sequence[Need]:
    """The first need is that of the operation itself. DeleteObjects needs each of its keys: one refusal refuses all."""
    params, operation = call.params, call.operation
    if operation == "PostObject":
        return ()  # its caller stands in the form: S3 asks for PutObject when it has read it
    action = _NAMED_OTHERWISE.get(operation, operation)
    bucket = params.get("Bucket", "")
    if not bucket:
        return (Need(f"s3:{action}", "*"),)
    keys = _condition_keys(params)
    if operation in _KEYS_IN_BODY and "Key" not in params and "Delete" not in params:
        return (Need(f"s3:{action}", f"arn:aws:s3:::{bucket}/{{any key}}", keys, bucket, anything=True),)
    if operation == "DeleteObjects":
        return [
            Need(f"s3:{_versioned(action, one)}", f"arn:aws:s3:::{bucket}/{one['Key']}", keys, bucket)
            for one in params["Delete"]["Objects"]
        ]
    key = params.get("Key")
    resource = f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"
    found = [Need(f"s3:{_versioned(action, params)}", resource, keys, bucket)]
    if operation == "GetObjectAttributes":
        found.append(Need(f"s3:{_versioned('GetObject', params)}", resource, keys, bucket))
    if operation in _WRITES:
        also = dict.fromkeys(name for member, name in _WITH_MEMBER if params.get(member))
        found += [Need(f"s3:{name}", resource, keys, bucket) for name in also]
    if params.get("BypassGovernanceRetention"):
        found.append(Need("s3:BypassGovernanceRetention", resource, keys, bucket))
    if "CopySource" in params:
        found.append(_source_need(params["CopySource"], keys))
    return found


def _versioned(action: str, params: Mapping[str, Any]) -> str:
    return _OF_A_VERSION.get(action, action) if params.get("VersionId") else action


def _source_need(source: str, keys: Mapping[str, Sequence[str]]) -> Need:
    """`source` is bucket/key?versionId=..., percent-encoded, perhaps with a leading slash."""
    path, _, query = source.partition("?")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    action = "GetObjectVersion" if query.startswith("versionId=") else "GetObject"
    return Need(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}", keys, bucket)


def _condition_keys(params: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {name: (str(params[member]),) for member, name in _KEYS if member in params}
    tagging = params.get("Tagging")
    if isinstance(tagging, str):
        tags = parse_qsl(tagging, keep_blank_values=True)
        found["s3:requestobjecttagkeys"] = tuple(key for key, _ in tags)
        found |= {f"s3:requestobjecttag/{key.lower()}": (value,) for key, value in tags}
    return found
