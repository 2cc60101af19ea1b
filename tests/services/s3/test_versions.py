"""Versioning: every version stays until it is named in a delete; a plain delete leaves a marker."""

import pytest
from types_boto3_s3.client import S3Client

from tests.services.s3.server import refused


def put(s3: S3Client, bucket: str, data: bytes, key: str = "k") -> str:
    return s3.put_object(Bucket=bucket, Key=key, Body=data)["VersionId"]


def test_a_bucket_says_whether_it_is_versioned(s3: S3Client, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"1")

    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_an_old_version_can_be_read(s3: S3Client, versioned: str) -> None:
    first, second = put(s3, versioned, b"1"), put(s3, versioned, b"2")

    assert first != second
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=first)["Body"].read() == b"1"
    latest = s3.get_object(Bucket=versioned, Key="k")
    assert (latest["Body"].read(), latest["VersionId"]) == (b"2", second)


def test_a_delete_leaves_a_marker_and_deleting_the_marker_brings_the_object_back(s3: S3Client, versioned: str) -> None:
    put(s3, versioned, b"1")
    put(s3, versioned, b"2")

    deleted = s3.delete_object(Bucket=versioned, Key="k")

    assert deleted["DeleteMarker"]
    with refused("NoSuchKey", 404) as answer:
        s3.get_object(Bucket=versioned, Key="k")
    assert answer.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    with refused("MethodNotAllowed", 405):
        s3.get_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    s3.delete_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"2"


def test_versions_and_markers_are_listed_newest_first(s3: S3Client, versioned: str) -> None:
    first, second = put(s3, versioned, b"1"), put(s3, versioned, b"2")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    other = put(s3, versioned, b"x", "a")

    page = s3.list_object_versions(Bucket=versioned)

    assert [(one["Key"], one["VersionId"], one["IsLatest"]) for one in page["Versions"]] == [
        ("a", other, True),
        ("k", second, False),
        ("k", first, False),
    ]
    assert [(one["Key"], one["VersionId"], one["IsLatest"]) for one in page["DeleteMarkers"]] == [("k", marker, True)]


def test_versions_come_in_pages(s3: S3Client, versioned: str) -> None:
    made = [put(s3, versioned, b"1", key) for key in ("a", "a", "a", "b", "b/c", "b/d")]

    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 2}))

    found = [one["VersionId"] for page in pages for one in page["Versions"]]
    assert found == [made[2], made[1], made[0], made[3], made[4], made[5]]
    assert len(pages) == 3


def test_versions_are_folded_by_a_delimiter(s3: S3Client, versioned: str) -> None:
    for key in ("a/1", "a/1", "b"):
        put(s3, versioned, b"1", key)

    page = s3.list_object_versions(Bucket=versioned, Delimiter="/")

    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a/"]
    assert [one["Key"] for one in page["Versions"]] == ["b"]


def test_deleting_the_latest_version_makes_the_one_before_it_the_latest(s3: S3Client, versioned: str) -> None:
    put(s3, versioned, b"1")
    second = put(s3, versioned, b"2")

    s3.delete_object(Bucket=versioned, Key="k", VersionId=second)

    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 1


def test_what_was_written_before_versioning_is_the_null_version(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(s3, bucket, b"after")

    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"


def test_suspended_versioning_overwrites_only_the_null_version(s3: S3Client, versioned: str) -> None:
    kept = put(s3, versioned, b"kept")
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    for data in (b"first", b"second"):
        assert put(s3, versioned, data) == "null"

    page = s3.list_object_versions(Bucket=versioned)

    assert [one["VersionId"] for one in page["Versions"]] == ["null", kept]
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"second"
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert (marker["VersionId"], marker["DeleteMarker"]) == ("null", True)
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=kept)["Body"].read() == b"kept"


def test_a_version_can_be_copied_and_tagged(s3: S3Client, versioned: str) -> None:
    first, _ = put(s3, versioned, b"1"), put(s3, versioned, b"2")

    copied = s3.copy_object(
        Bucket=versioned, Key="copy", CopySource={"Bucket": versioned, "Key": "k", "VersionId": first}
    )
    s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=first, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})

    assert copied["CopySourceVersionId"] == first
    assert s3.get_object(Bucket=versioned, Key="copy")["Body"].read() == b"1"
    assert s3.get_object_tagging(Bucket=versioned, Key="k", VersionId=first)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == []


def test_several_versions_are_deleted_at_once(s3: S3Client, versioned: str) -> None:
    first, second = put(s3, versioned, b"1"), put(s3, versioned, b"2")

    told = s3.delete_objects(
        Bucket=versioned,
        Delete={"Objects": [{"Key": "k", "VersionId": first}, {"Key": "k", "VersionId": second}, {"Key": "new"}]},
    )["Deleted"]

    assert [one.get("VersionId") for one in told] == [first, second, None]
    assert told[2]["DeleteMarker"]


def test_an_unknown_version_is_named(s3: S3Client, versioned: str) -> None:
    put(s3, versioned, b"1")

    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=versioned, Key="k", VersionId="0" * 32)


def test_a_bucket_with_old_versions_is_not_empty(s3: S3Client, versioned: str) -> None:
    put(s3, versioned, b"1")
    s3.delete_object(Bucket=versioned, Key="k")

    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=versioned)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retained_version_is_not_deleted(s3: S3Client, bucket: str, mode: str) -> None:
    locked = f"{bucket}-locked"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket=locked,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": mode, "Days": 1}},  # type: ignore[typeddict-item]
        },
    )
    version = put(s3, locked, b"1")

    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["Mode"] == mode
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    if mode == "COMPLIANCE":
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    else:
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)


def test_no_retention_at_all_takes_none_away(s3: S3Client, bucket: str) -> None:
    locked = f"{bucket}-kept"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    put(s3, locked, b"1")

    with refused("MalformedXML", 400):
        s3.put_object_retention(Bucket=locked, Key="k")


def test_a_legal_hold_keeps_a_version_until_it_is_off(s3: S3Client, bucket: str) -> None:
    locked = f"{bucket}-held"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    version = put(s3, locked, b"1")
    s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "ON"})

    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)
