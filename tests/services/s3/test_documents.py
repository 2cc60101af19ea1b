"""What is put on a bucket or an object beside its bytes is told again; what is not there says so."""

import json
from typing import Any

import pytest
from types_boto3_s3.client import S3Client

from tests.services.s3.server import Server, refused

_RULES = [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "zz/"}, "Expiration": {"Days": 3}}]
_CORS = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://x.test"], "AllowedHeaders": ["*"]}]
_BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
_ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
_OWNERSHIP = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
_WEBSITE = {"IndexDocument": {"Suffix": "index.html"}}
_REPLICATION = {
    "Role": "arn:aws:iam::123456789012:role/r",
    "Rules": [{"Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}, "DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": "arn:aws:s3:::d"}}],
}  # fmt: skip
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("bucket_cors", {"CORSConfiguration": {"CORSRules": _CORS}}, {"CORSRules": _CORS}, "delete_bucket_cors", "NoSuchCORSConfiguration"),
    ("public_access_block", {"PublicAccessBlockConfiguration": _BLOCK}, {"PublicAccessBlockConfiguration": _BLOCK}, "delete_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ("bucket_encryption", {"ServerSideEncryptionConfiguration": _ENCRYPTION}, {"ServerSideEncryptionConfiguration": _ENCRYPTION}, "delete_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("bucket_ownership_controls", {"OwnershipControls": _OWNERSHIP}, {"OwnershipControls": _OWNERSHIP}, "delete_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
    ("bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": _RULES}}, {"Rules": _RULES}, "delete_bucket_lifecycle", "NoSuchLifecycleConfiguration"),
    ("bucket_tagging", {"Tagging": {"TagSet": [{"Key": "z", "Value": "9"}]}}, {"TagSet": [{"Key": "z", "Value": "9"}]}, "delete_bucket_tagging", "NoSuchTagSet"),
    ("bucket_website", {"WebsiteConfiguration": _WEBSITE}, _WEBSITE, "delete_bucket_website", "NoSuchWebsiteConfiguration"),
    ("bucket_replication", {"ReplicationConfiguration": _REPLICATION}, {"ReplicationConfiguration": _REPLICATION}, "delete_bucket_replication", "ReplicationConfigurationNotFoundError"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "told", "delete", "missing"), CASES, ids=[case[0] for case in CASES])
def test_a_document_is_put_told_and_deleted(
    s3: S3Client, bucket: str, name: str, given: dict[str, Any], told: dict[str, Any], delete: str, missing: str
) -> None:
    get = getattr(s3, f"get_{name}")
    with refused(missing, 404):
        get(Bucket=bucket)

    getattr(s3, f"put_{name}")(Bucket=bucket, **given)
    found = get(Bucket=bucket)

    assert {key: found[key] for key in told} == told
    getattr(s3, delete)(Bucket=bucket)
    with refused(missing, 404):
        get(Bucket=bucket)


def test_documents_that_are_always_there_begin_empty(s3: S3Client, bucket: str) -> None:
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)


def test_a_notification_configuration_is_kept(s3: S3Client, bucket: str) -> None:
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})

    assert s3.get_bucket_notification_configuration(Bucket=bucket)["EventBridgeConfiguration"] == {}


def test_configurations_with_a_name_are_kept_apart(s3: S3Client, bucket: str) -> None:
    for name in ("b", "a"):
        s3.put_bucket_metrics_configuration(Bucket=bucket, Id=name, MetricsConfiguration={"Id": name})

    listed = s3.list_bucket_metrics_configurations(Bucket=bucket)["MetricsConfigurationList"]

    assert [one["Id"] for one in listed] == ["a", "b"]
    s3.delete_bucket_metrics_configuration(Bucket=bucket, Id="a")
    with refused("NoSuchConfiguration", 404):
        s3.get_bucket_metrics_configuration(Bucket=bucket, Id="a")


def test_no_object_lock_says_so(s3: S3Client, bucket: str) -> None:
    with refused("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=bucket)


def policy(bucket: str, prefix: str = "") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_is_put_told_and_deleted(s3: S3Client, bucket: str) -> None:
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)

    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))

    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy(bucket))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    s3.delete_bucket_policy(Bucket=bucket)
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", "{}", '{"Statement":[{"Effect":"Maybe"}]}', '{"Statement":[{"Effect":[[]]}]}', "[" * 100_000],
)
def test_a_policy_that_is_none_is_refused(s3: S3Client, bucket: str, text: str) -> None:
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=bucket, Policy=text)


def test_a_public_policy_opens_what_it_names_and_nothing_else(server: Server, s3: S3Client, bucket: str) -> None:
    for key in ("pub/a", "prv/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"P")
    assert server.ask("GET", f"/{bucket}/pub/a").status == 403

    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "pub/"))

    assert server.ask("GET", f"/{bucket}/pub/a").body == b"P"
    assert server.ask("GET", f"/{bucket}/prv/a").status == 403
    assert server.ask("PUT", f"/{bucket}/pub/b", b"x").status == 403


def test_a_public_access_block_closes_what_a_policy_opened(server: Server, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"P")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    assert server.ask("GET", f"/{bucket}/a").status == 200

    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_BLOCK)  # type: ignore[arg-type]

    assert server.ask("GET", f"/{bucket}/a").status == 403
    with refused("AccessDenied", 403):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))


def test_a_buckets_encryption_is_told_of_its_new_objects(s3: S3Client, bucket: str) -> None:
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_ENCRYPTION)  # type: ignore[arg-type]

    assert s3.put_object(Bucket=bucket, Key="a", Body=b"1")["ServerSideEncryption"] == "AES256"


def test_the_acl_of_what_one_owns_is_full_control(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", ACL="bucket-owner-full-control")

    of_bucket, of_object = s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="a")

    assert of_bucket["Grants"] == of_object["Grants"]
    assert [grant["Permission"] for grant in of_object["Grants"]] == ["FULL_CONTROL"]
    assert of_object["Grants"][0]["Grantee"]["ID"] == of_object["Owner"]["ID"]
    assert of_object["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"


def test_an_acl_that_would_open_is_refused(s3: S3Client, bucket: str) -> None:
    with refused("AccessControlListNotSupported", 400):
        s3.put_object(Bucket=bucket, Key="a", Body=b"1", ACL="public-read")
    with refused("AccessControlListNotSupported", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")


def test_object_tags_are_put_told_and_deleted(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="t", Body=b"1", Tagging="a=1&b=2")
    on_put = s3.get_object_tagging(Bucket=bucket, Key="t")["TagSet"]
    s3.put_object_tagging(Bucket=bucket, Key="t", Tagging={"TagSet": [{"Key": "z", "Value": "9"}]})

    assert on_put == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="t")["TagSet"] == [{"Key": "z", "Value": "9"}]
    assert s3.head_object(Bucket=bucket, Key="t")["TagCount"] == 1
    s3.delete_object_tagging(Bucket=bucket, Key="t")
    assert s3.get_object_tagging(Bucket=bucket, Key="t")["TagSet"] == []


def test_too_many_tags_and_tags_of_aws_are_refused(s3: S3Client, bucket: str) -> None:
    with refused("BadRequest", 400):
        s3.put_object(Bucket=bucket, Key="t", Body=b"1", Tagging="&".join(f"k{number}=1" for number in range(11)))
    with refused("InvalidTag", 400):
        s3.put_object(Bucket=bucket, Key="t", Body=b"1", Tagging="aws:x=1")
