"""CreateBucket, HeadBucket, ListBuckets, DeleteBucket, where a bucket is, and whether it is versioned."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from salvia.base.arn import partition_of
from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.object_store import Bucket
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, owner, store_of
from salvia.services.s3.attributes import check_acl, tag_set, tags_of_set
from salvia.services.s3.errors import AccessDenied, InvalidArgument, NotImplementedHere
from salvia.services.s3.listing import packed_token, unpacked_token

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_FORBIDDEN_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_FORBIDDEN_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_HOME = "us-east-1"


async def create_bucket(world: World, call: Call) -> Mapping[str, Any]:
    if not call.account:
        raise AccessDenied
    name = call.params["Bucket"]
    check_name(name)
    configuration = call.params.get("CreateBucketConfiguration") or {}
    bucket = Bucket(
        name,
        call.account,
        _region(configuration, call.region),
        world.clock.now(),
        "Enabled" if call.params.get("ObjectLockEnabledForBucket") else "",
        _first_documents(call.params, configuration),
    )
    check_acl(bucket, call.params)
    if not await store_of(world).buckets.create(bucket):
        await _refuse_taken(world, call, bucket)
    arn = f"arn:{partition_of(bucket.region)}:s3:::{name}"
    return {"Location": f"/{name}", "BucketArn": arn}


async def head_bucket(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    return {"BucketRegion": bucket.region, "BucketArn": f"arn:{partition_of(bucket.region)}:s3:::{bucket.name}"}


async def list_buckets(world: World, call: Call) -> Mapping[str, Any]:
    if not call.account:
        raise AccessDenied
    params = call.params
    limit = params.get("MaxBuckets") or 10_000
    token = params.get("ContinuationToken")
    after = unpacked_token(token) if token else ""
    found = await store_of(world).buckets.list(
        call.account, prefix=params.get("Prefix") or "", after=after, limit=limit + 1
    )
    shown = found[:limit]
    told: dict[str, Any] = {"Owner": owner(call.account)}
    told["Buckets"] = [
        {
            "Name": bucket.name,
            "CreationDate": float(int(bucket.created)),
            "BucketRegion": bucket.region,
            "BucketArn": f"arn:{partition_of(bucket.region)}:s3:::{bucket.name}",
        }
        for bucket in shown
        if params.get("BucketRegion") in {None, bucket.region}
    ]
    if params.get("Prefix"):
        told["Prefix"] = params["Prefix"]
    if len(found) > limit:
        told["ContinuationToken"] = packed_token(shown[-1].name)
    return told


async def delete_bucket(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    await store_of(world).buckets.delete(bucket.name)
    return {}


async def get_bucket_location(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    return {} if bucket.region == _HOME else {"LocationConstraint": bucket.region}


async def get_bucket_versioning(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    return {"Status": bucket.versioning} if bucket.versioning else {}


async def put_bucket_versioning(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    configuration = call.params["VersioningConfiguration"]
    if configuration.get("MFADelete") == "Enabled":
        raise NotImplementedHere("MFA delete needs a device that this server cannot ask.")
    status = configuration.get("Status")
    if status not in {"Enabled", "Suspended"}:
        raise AwsError("The Versioning element must be specified", code="IllegalVersioningConfigurationException")
    if status == "Suspended" and bucket.documents.get("ObjectLockConfiguration"):
        raise AwsError(
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            code="InvalidBucketState",
            http_status=409,
        )
    await store_of(world).buckets.change(bucket.name, {}, versioning=status)
    return {}


def check_name(name: str) -> None:
    """The rules of general purpose buckets."""
    wrong = (
        not _NAME.match(name)
        or ".." in name
        or name.startswith(_FORBIDDEN_STARTS)
        or name.endswith(_FORBIDDEN_ENDS)
        or _is_address(name)
    )
    if wrong:
        raise AwsError("The specified bucket is not valid.", code="InvalidBucketName", members={"BucketName": name})


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _region(configuration: Mapping[str, Any], called: str) -> str:
    """A regional endpoint makes buckets of its own region only; us-east-1 makes them anywhere, and has no name to give."""
    constraint = configuration.get("LocationConstraint")
    if configuration.get("Location") or configuration.get("Bucket"):
        raise NotImplementedHere("Directory buckets are not served here; leave Location and Bucket out.")
    if constraint in {None, ""}:
        if called in {_HOME, ""}:
            return _HOME
        raise AwsError(
            "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.",
            code="IllegalLocationConstraintException",
        )
    if constraint == _HOME:
        raise AwsError("The specified location-constraint is not valid", code="InvalidLocationConstraint")
    region = "eu-west-1" if constraint == "EU" else str(constraint)
    if called not in {_HOME, "", region}:
        raise AwsError(
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to.",
            code="IllegalLocationConstraintException",
        )
    return region


def _first_documents(params: Mapping[str, Any], configuration: Mapping[str, Any]) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    if params.get("ObjectLockEnabledForBucket"):
        documents["ObjectLockConfiguration"] = {"ObjectLockEnabled": "Enabled"}
    if params.get("ObjectOwnership"):
        documents["OwnershipControls"] = {"Rules": [{"ObjectOwnership": params["ObjectOwnership"]}]}
    if params.get("ACL"):
        documents["ACL"] = {"ACL": params["ACL"]}
    if configuration.get("Tags"):
        documents["Tagging"] = {"TagSet": tag_set(tags_of_set(configuration["Tags"], 50))}
    if params.get("BucketNamespace") not in {None, "global"}:
        raise InvalidArgument("x-amz-bucket-namespace", params["BucketNamespace"], "Bucket names are global here.")
    return documents


async def _refuse_taken(world: World, call: Call, wanted: Bucket) -> None:
    existing = await store_of(world).buckets.find(wanted.name)
    if existing is None or existing.account != call.account:
        raise AwsError(
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again.",
            code="BucketAlreadyExists",
            http_status=409,
            members={"BucketName": wanted.name},
        )
    # us-east-1 has always said yes to the owner
    if existing.region != _HOME or wanted.region != _HOME:
        raise AwsError(
            "Your previous request to create the named bucket succeeded and you already own it.",
            code="BucketAlreadyOwnedByYou",
            http_status=409,
            members={"BucketName": wanted.name},
        )
