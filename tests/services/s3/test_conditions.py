"""Conditions: reads that answer 304 or 412, writes of which one wins."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from types_boto3_s3.client import S3Client

from tests.services.s3.server import refused

LATER, EARLIER = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def etag(s3: S3Client, bucket: str) -> str:
    return s3.put_object(Bucket=bucket, Key="a", Body=b"1")["ETag"]


def test_a_read_answers_only_what_is_asked_for(s3: S3Client, bucket: str, etag: str) -> None:
    s3.get_object(Bucket=bucket, Key="a", IfMatch=etag)
    s3.get_object(Bucket=bucket, Key="a", IfNoneMatch='"other"')
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="a", IfNoneMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="a", IfMatch='"other"')


def test_a_read_knows_dates(s3: S3Client, bucket: str, etag: str) -> None:
    s3.get_object(Bucket=bucket, Key="a", IfModifiedSince=EARLIER, IfUnmodifiedSince=LATER)
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="a", IfModifiedSince=LATER)
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="a", IfUnmodifiedSince=EARLIER)


def test_an_etag_goes_before_a_date(s3: S3Client, bucket: str, etag: str) -> None:
    s3.get_object(Bucket=bucket, Key="a", IfMatch=etag, IfUnmodifiedSince=EARLIER)
    s3.get_object(Bucket=bucket, Key="a", IfNoneMatch='"other"', IfModifiedSince=LATER)


def test_a_write_can_ask_that_nothing_is_there(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="new", Body=b"1", IfNoneMatch="*")

    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="new", Body=b"2", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"1"


def test_a_write_can_ask_for_what_it_read(s3: S3Client, bucket: str, etag: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"3", IfMatch=etag)

    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="a", Body=b"4", IfMatch=etag)
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="absent", Body=b"4", IfMatch=etag)


@pytest.mark.parametrize("size", [1, 50_000])
def test_of_sixteen_writers_one_wins(s3: S3Client, bucket: str, size: int) -> None:
    def write(number: int) -> str:
        try:
            s3.put_object(Bucket=bucket, Key="race", Body=bytes([number]) * size, IfNoneMatch="*")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "won"

    with ThreadPoolExecutor(16) as threads:
        outcomes = sorted(threads.map(write, range(16)))

    assert outcomes == ["PreconditionFailed"] * 15 + ["won"]


def test_an_upload_in_parts_can_ask_that_nothing_is_there(s3: S3Client, bucket: str, etag: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]}

    with refused("PreconditionFailed", 412):
        s3.complete_multipart_upload(
            Bucket=bucket,
            Key="a",
            UploadId=upload,
            IfNoneMatch="*",
            MultipartUpload=parts,  # type: ignore[arg-type]
        )
    s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, IfMatch=etag, MultipartUpload=parts)  # type: ignore[arg-type]


def test_a_copy_can_ask_that_nothing_is_there(s3: S3Client, bucket: str, etag: str) -> None:
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", IfNoneMatch="*")

    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", IfNoneMatch="*")


def test_a_delete_can_ask_for_what_it_read(s3: S3Client, bucket: str, etag: str) -> None:
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="a", IfMatch='"other"')
    refusal = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a", "ETag": '"other"'}]})

    assert [error["Code"] for error in refusal["Errors"]] == ["PreconditionFailed"]
    s3.delete_object(Bucket=bucket, Key="a", IfMatch=etag)
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="a")
