"""The sub-resources of a bucket: documents that are put, told again and deleted, most of which change nothing else.

One row of the table is one document; its operations are made from it. What a document does change is said beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.resources.service import Operation
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, is_public, store_of
from salvia.services.s3.attributes import tag_set, tags_of_set
from salvia.services.s3.errors import AccessDenied, InvalidArgument


@dataclass(frozen=True, slots=True)
class Document:
    """`member` is the input member that carries it. `flat` documents are told as members of their own, others under `member`.

    `missing` is the error code while there is none; with `default` there always is one.
    """

    name: str  # PutX, GetX, DeleteX
    member: str
    missing: str = ""
    flat: bool = False
    default: Mapping[str, Any] | None = None
    deletes: str = ""  # the operation that removes it, where there is one
    recorded: bool = True  # changes nothing else


DOCUMENTS = (
    Document(
        "BucketPolicy", "Policy", "NoSuchBucketPolicy", deletes="DeleteBucketPolicy", recorded=False
    ),  # judged with every request
    Document(
        "BucketTagging", "Tagging", "NoSuchTagSet", flat=True, deletes="DeleteBucketTagging", recorded=False
    ),  # there is nothing that bucket tags would do
    Document(
        "PublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        deletes="DeletePublicAccessBlock",
        recorded=False,
    ),  # refuses public policies, and closes buckets that have one
    Document(
        "BucketOwnershipControls",
        "OwnershipControls",
        "OwnershipControlsNotFoundError",
        deletes="DeleteBucketOwnershipControls",
        recorded=False,
    ),  # decides whether ACLs are taken
    Document(
        "ObjectLockConfiguration", "ObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", recorded=False
    ),  # gives new versions their retention
    Document(
        "BucketCors",
        "CORSConfiguration",
        "NoSuchCORSConfiguration",
        flat=True,
        deletes="DeleteBucketCors",
    ),
    Document(
        "BucketEncryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        deletes="DeleteBucketEncryption",
    ),  # new objects tell it, but lie in plain
    Document(
        "BucketLifecycleConfiguration",
        "LifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        flat=True,
        deletes="DeleteBucketLifecycle",
    ),
    Document("BucketNotificationConfiguration", "NotificationConfiguration", flat=True, default={}),
    Document(
        "BucketReplication",
        "ReplicationConfiguration",
        "ReplicationConfigurationNotFoundError",
        deletes="DeleteBucketReplication",
    ),
    Document(
        "BucketWebsite", "WebsiteConfiguration", "NoSuchWebsiteConfiguration", flat=True, deletes="DeleteBucketWebsite"
    ),
    Document("BucketLogging", "BucketLoggingStatus", flat=True, default={}),
    Document("BucketAccelerateConfiguration", "AccelerateConfiguration", flat=True, default={}),
    Document("BucketRequestPayment", "RequestPaymentConfiguration", flat=True, default={"Payer": "BucketOwner"}),
)
NAMED = ("Analytics", "IntelligentTiering", "Inventory", "Metrics")  # several of each, by Id; all recorded only


async def get_bucket_policy_status(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    text = bucket.documents.get("Policy")
    if not text:
        raise _missing("NoSuchBucketPolicy", bucket.name)
    return {"PolicyStatus": {"IsPublic": is_public(json.loads(text))}}


def operations() -> dict[str, Operation]:
    made: dict[str, Operation] = {"GetBucketPolicyStatus": get_bucket_policy_status}
    for document in DOCUMENTS:
        made[f"Put{document.name}"] = _put(document)
        made[f"Get{document.name}"] = _get(document)
        if document.deletes:
            made[document.deletes] = _delete(document)
    for family in NAMED:
        member = f"{family}Configuration"
        made[f"PutBucket{member}"] = _put_named(member)
        made[f"GetBucket{member}"] = _get_named(member)
        made[f"DeleteBucket{member}"] = _delete_named(member)
        made[f"ListBucket{member}s"] = _list_named(member)
    return made


def recorded() -> frozenset[str]:
    """The operations that store and tell, and change nothing."""
    plain = [document for document in DOCUMENTS if document.recorded]
    names = {f"{verb}{document.name}" for document in plain for verb in ("Put", "Get")}
    names |= {document.deletes for document in plain if document.deletes}
    names |= {f"{verb}Bucket{family}Configuration" for family in NAMED for verb in ("Put", "Get", "Delete")}
    return frozenset(names | {f"ListBucket{family}Configurations" for family in NAMED})


def _put(document: Document) -> Operation:
    async def put(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        value = call.params.get(document.member) or {}
        if document.member == "Policy":
            _check_policy(str(value), bucket.documents.get("PublicAccessBlockConfiguration") or {})
        if document.member == "Tagging":
            value = {"TagSet": tag_set(tags_of_set(value["TagSet"], 50))}
        if document.member == "ObjectLockConfiguration" and bucket.versioning != "Enabled":
            raise AwsError(
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
                code="InvalidBucketState",
                http_status=409,
            )
        await store_of(world).buckets.change(bucket.name, {document.member: value})
        return {}

    return put


def _get(document: Document) -> Operation:
    async def get(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        found = bucket.documents.get(document.member, document.default)
        if found is None:
            raise _missing(document.missing, bucket.name)
        return found if document.flat else {document.member: found}

    return get


def _delete(document: Document) -> Operation:
    async def delete(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        await store_of(world).buckets.change(bucket.name, {document.member: None})
        return {}

    return delete


def _put_named(member: str) -> Operation:
    async def put(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        value = call.params[member]
        if value.get("Id") != call.params["Id"]:
            raise InvalidArgument("Id", call.params["Id"], "The Id in the request and in the configuration differ.")
        await store_of(world).buckets.change(bucket.name, {f"{member}/{call.params['Id']}": value})
        return {}

    return put


def _get_named(member: str) -> Operation:
    async def get(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        found = bucket.documents.get(f"{member}/{call.params['Id']}")
        if found is None:
            raise _missing("NoSuchConfiguration", bucket.name)
        return {member: found}

    return get


def _delete_named(member: str) -> Operation:
    async def delete(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        named = f"{member}/{call.params['Id']}"
        if named not in bucket.documents:
            raise _missing("NoSuchConfiguration", bucket.name)
        await store_of(world).buckets.change(bucket.name, {named: None})
        return {}

    return delete


def _list_named(member: str) -> Operation:
    async def list_(world: World, call: Call) -> Mapping[str, Any]:
        bucket = await bucket_of(world, call)
        documents = bucket.documents
        found = [documents[name] for name in sorted(documents) if name.startswith(f"{member}/")]
        return {"IsTruncated": False, f"{member}List": found}

    return list_


def _check_policy(text: str, block: Mapping[str, Any]) -> None:
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict) or not policy.get("Statement"):
        raise AwsError("This policy contains invalid Json", code="MalformedPolicy")
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise AwsError("Every statement needs an Effect of Allow or Deny", code="MalformedPolicy")
        for needed in (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")):
            if not any(name in statement for name in needed):
                raise AwsError(f"Missing required field {needed[0]}", code="MalformedPolicy")
    if block.get("BlockPublicPolicy") and is_public(policy):
        raise AccessDenied("The bucket's public access block refuses policies that open it to everyone.")


_MISSING = {
    "NoSuchBucketPolicy": "The bucket policy does not exist",
    "NoSuchTagSet": "The TagSet does not exist",
    "NoSuchCORSConfiguration": "The CORS configuration does not exist",
    "NoSuchPublicAccessBlockConfiguration": "The public access block configuration was not found",
    "OwnershipControlsNotFoundError": "The bucket ownership controls were not found",
    "ObjectLockConfigurationNotFoundError": "Object Lock configuration does not exist for this bucket",
    "ServerSideEncryptionConfigurationNotFoundError": "The server side encryption configuration was not found",
    "NoSuchLifecycleConfiguration": "The lifecycle configuration does not exist",
    "ReplicationConfigurationNotFoundError": "The replication configuration was not found",
    "NoSuchWebsiteConfiguration": "The specified bucket does not have a website configuration",
    "NoSuchConfiguration": "The specified configuration does not exist.",
}


def _missing(code: str, bucket: str) -> AwsError:
    return AwsError(_MISSING[code], code=code, http_status=404, members={"BucketName": bucket})
