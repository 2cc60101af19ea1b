"""Buckets: names, regions, owners, and who may speak of whose."""

import json
from collections.abc import Iterator

import pytest
from types_boto3_s3.client import S3Client

from tests.services.s3.server import ACCOUNT, OTHER_ACCOUNT, OTHER_KEY, OTHER_SECRET, Server, refused


@pytest.fixture
def other(server: Server) -> Iterator[S3Client]:
    client = server.client(OTHER_KEY, OTHER_SECRET)
    yield client
    client.close()


@pytest.fixture
def european(server: Server) -> Iterator[S3Client]:
    client = server.client(region="eu-west-1")
    yield client
    client.close()


def test_a_bucket_is_where_it_was_made(s3: S3Client, bucket: str) -> None:
    s3.create_bucket(Bucket=f"{bucket}-eu", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    assert s3.get_bucket_location(Bucket=f"{bucket}-eu")["LocationConstraint"] == "eu-west-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3.head_bucket(Bucket=f"{bucket}-eu")["BucketRegion"] == "eu-west-1"
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"


def test_a_region_makes_buckets_of_its_own(european: S3Client, bucket: str) -> None:
    with refused("IllegalLocationConstraintException", 400):
        european.create_bucket(Bucket=f"{bucket}-a")
    with refused("IllegalLocationConstraintException", 400):
        european.create_bucket(Bucket=f"{bucket}-a", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    european.create_bucket(Bucket=f"{bucket}-a", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with refused("BucketAlreadyOwnedByYou", 409):
        european.create_bucket(Bucket=f"{bucket}-a", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})


def test_making_a_bucket_again_at_home_changes_nothing(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.create_bucket(Bucket=bucket)

    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_names_are_global(other: S3Client, bucket: str) -> None:
    with refused("BucketAlreadyExists", 409):
        other.create_bucket(Bucket=bucket)


@pytest.mark.parametrize("name", ["UPPER", "a_b", "a..b", "192.168.1.1", "xn--a", "a-s3alias", "-ab", "ab-", "x" * 64])
def test_bad_names_are_refused(server: Server, name: str) -> None:
    client = server.client()
    client.meta.events.unregister("before-parameter-build.s3", unique_id=None)
    try:
        with refused("InvalidBucketName", 400):
            client.create_bucket(Bucket=name)
    finally:
        client.close()


def test_a_missing_bucket_is_not_found(s3: S3Client) -> None:
    with refused("404", 404) as answer:
        s3.head_bucket(Bucket="no-bucket-of-this-name")
    assert answer.response["Error"]["Message"] == "Not Found"


def test_a_foreign_bucket_is_forbidden(other: S3Client, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")

    with refused("403", 403) as answer:
        other.head_bucket(Bucket=bucket)
    assert answer.response["Error"]["Message"] == "Forbidden"
    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="a")
    with refused("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="b", Body=b"1")
    with refused("AccessDenied", 403):
        other.list_objects_v2(Bucket=bucket)


def test_the_root_of_another_account_is_nobody_here(other: S3Client, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/reader"},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="a")
    with refused("AccessDenied", 403):
        other.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")


def test_the_owner_must_be_the_one_expected(s3: S3Client, bucket: str) -> None:
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=ACCOUNT)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ExpectedBucketOwner=ACCOUNT)

    assert s3.get_object(Bucket=bucket, Key="a", ExpectedBucketOwner=ACCOUNT)["Body"].read() == b"x"
    with refused("403", 403):
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=OTHER_ACCOUNT)
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=bucket, Key="a", Body=b"y", ExpectedBucketOwner=OTHER_ACCOUNT)
    with refused("AccessDenied", 403):
        s3.get_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=OTHER_ACCOUNT)


def test_an_account_lists_its_own_buckets(other: S3Client, s3: S3Client, bucket: str) -> None:
    other.create_bucket(Bucket=f"{bucket}-of-another")

    mine = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    theirs = [one["Name"] for one in other.list_buckets()["Buckets"]]

    assert bucket in mine
    assert f"{bucket}-of-another" in theirs
    assert not set(mine) & set(theirs)


def test_buckets_come_in_pages(s3: S3Client, bucket: str) -> None:
    names = [f"{bucket}-page-{number}" for number in range(3)]
    for name in names:
        s3.create_bucket(Bucket=name)

    pages = s3.get_paginator("list_buckets").paginate(Prefix=f"{bucket}-page-", PaginationConfig={"PageSize": 2})

    assert [one["Name"] for page in pages for one in page["Buckets"]] == names


def test_only_an_empty_bucket_is_deleted(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="a")

    s3.delete_bucket(Bucket=bucket)

    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=bucket)
