"""Copies: bytes, headers and tags, within a bucket and between two, and the ones that would change nothing."""

import hashlib
import os

import pytest
from types_boto3_s3.client import S3Client

from tests.services.s3.server import refused


@pytest.fixture
def source(s3: S3Client, bucket: str) -> str:
    s3.put_object(
        Bucket=bucket, Key="src", Body=b"abc", Metadata={"a": "1"}, ContentType="text/x", Tagging="t=1", ACL="private"
    )
    return bucket


def test_a_copy_has_the_bytes_headers_and_tags(s3: S3Client, source: str) -> None:
    made = s3.copy_object(Bucket=source, Key="dst", CopySource={"Bucket": source, "Key": "src"})

    head = s3.head_object(Bucket=source, Key="dst")
    assert made["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"abc").hexdigest()}"'
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "text/x")
    assert s3.get_object_tagging(Bucket=source, Key="dst")["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_headers_and_tags_can_be_replaced(s3: S3Client, source: str) -> None:
    s3.copy_object(
        Bucket=source,
        Key="dst",
        CopySource=f"{source}/src",
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
        ContentType="text/y",
        TaggingDirective="REPLACE",
        Tagging="u=2",
    )

    head = s3.head_object(Bucket=source, Key="dst")
    assert (head["Metadata"], head["ContentType"]) == ({"b": "2"}, "text/y")
    assert s3.get_object_tagging(Bucket=source, Key="dst")["TagSet"] == [{"Key": "u", "Value": "2"}]
    assert s3.get_object(Bucket=source, Key="dst")["Body"].read() == b"abc"


def test_a_copy_outlives_its_source(s3: S3Client, bucket: str) -> None:
    data = os.urandom(100_000)
    s3.put_object(Bucket=bucket, Key="src", Body=data)
    s3.create_bucket(Bucket=f"{bucket}-other")

    s3.copy_object(Bucket=f"{bucket}-other", Key="d/k 1+ü=&.bin", CopySource={"Bucket": bucket, "Key": "src"})
    s3.delete_object(Bucket=bucket, Key="src")

    assert s3.get_object(Bucket=f"{bucket}-other", Key="d/k 1+ü=&.bin")["Body"].read() == data


def test_odd_names_are_copied(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="d/k 1+ü=&?.bin", Body=b"odd")

    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "d/k 1+ü=&?.bin"})

    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"odd"


def test_a_copy_onto_itself_must_change_something(s3: S3Client, source: str) -> None:
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=source, Key="src", CopySource=f"{source}/src")

    s3.copy_object(
        Bucket=source, Key="src", CopySource=f"{source}/src", MetadataDirective="REPLACE", Metadata={"new": "1"}
    )
    assert s3.head_object(Bucket=source, Key="src")["Metadata"] == {"new": "1"}


def test_a_missing_source_is_named(s3: S3Client, bucket: str) -> None:
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="x", CopySource=f"{bucket}/absent")
    with refused("NoSuchBucket", 404):
        s3.copy_object(Bucket=bucket, Key="x", CopySource="no-bucket-of-this-name/absent")


def test_the_source_can_be_asked_to_be_what_was_read(s3: S3Client, source: str) -> None:
    etag = s3.head_object(Bucket=source, Key="src")["ETag"]

    s3.copy_object(Bucket=source, Key="dst", CopySource=f"{source}/src", CopySourceIfMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=source, Key="dst", CopySource=f"{source}/src", CopySourceIfNoneMatch=etag)
    with refused("AccessDenied", 403):
        s3.copy_object(Bucket=source, Key="dst", CopySource=f"{source}/src", ExpectedSourceBucketOwner="999999999999")
