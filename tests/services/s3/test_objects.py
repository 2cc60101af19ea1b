"""Objects go in and come out: bytes, headers, metadata, ranges, odd keys, and what is missing."""

import hashlib
import io
import os
from typing import Any

import pytest
from types_boto3_s3.client import S3Client

from tests.services.s3.server import Server, refused


def read(s3: S3Client, bucket: str, key: str, **more: Any) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


@pytest.mark.parametrize("size", [0, 5, 70_000, 3_000_000])
def test_bytes_come_back_as_they_went_in(s3: S3Client, bucket: str, size: int) -> None:
    data = os.urandom(size)

    made = s3.put_object(Bucket=bucket, Key="d/k 1+ü=&.bin", Body=data)

    assert made["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert read(s3, bucket, "d/k 1+ü=&.bin") == data
    assert s3.head_object(Bucket=bucket, Key="d/k 1+ü=&.bin")["ContentLength"] == size


def test_a_second_put_replaces_the_first(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 100_000)
    s3.put_object(Bucket=bucket, Key="a", Body=b"second")

    assert read(s3, bucket, "a") == b"second"


def test_headers_are_kept(s3: S3Client, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket,
        Key="a",
        Body=b"{}",
        ContentType="application/json",
        CacheControl="max-age=5",
        ContentEncoding="gzip",
        ContentDisposition="attachment",
        ContentLanguage="de",
    )

    head = s3.head_object(Bucket=bucket, Key="a")

    assert (head["ContentType"], head["CacheControl"]) == ("application/json", "max-age=5")
    assert (head["ContentEncoding"], head["ContentDisposition"], head["ContentLanguage"]) == (
        "gzip",
        "attachment",
        "de",
    )
    assert head["AcceptRanges"] == "bytes"
    assert head["LastModified"].microsecond == 0


def test_what_has_no_type_is_octets(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")

    assert s3.head_object(Bucket=bucket, Key="a")["ContentType"] == "binary/octet-stream"


def test_user_metadata_is_kept(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", Metadata={"k1": "v1", "mixed-case": "V 2"})

    assert s3.head_object(Bucket=bucket, Key="a")["Metadata"] == {"k1": "v1", "mixed-case": "V 2"}


def test_too_much_metadata_is_refused(s3: S3Client, bucket: str) -> None:
    with refused("MetadataTooLarge", 400):
        s3.put_object(Bucket=bucket, Key="a", Body=b"1", Metadata={"k": "v" * 2048})


class Unseekable(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self.data.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def test_a_stream_that_cannot_seek_is_uploaded(s3: S3Client, bucket: str) -> None:
    data = os.urandom(100_000)

    s3.upload_fileobj(io.BufferedReader(Unseekable(data)), bucket, "stream")

    assert read(s3, bucket, "stream") == data


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize(
    ("asked", "first", "end"), [("10-19", 10, 20), ("-5", -5, None), ("90-", 90, None), ("0-9999999", 0, None)]
)
def test_a_range_is_partial_content(
    s3: S3Client, bucket: str, size: int, asked: str, first: int, end: int | None
) -> None:
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="r", Body=data)

    found = s3.get_object(Bucket=bucket, Key="r", Range=f"bytes={asked}")

    start, stop, _ = slice(first, end).indices(size)
    assert found["Body"].read() == data[first:end]
    assert found["ContentRange"] == f"bytes {start}-{stop - 1}/{size}"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_behind_the_end_is_refused(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="r", Body=b"1" * 100)

    with refused("InvalidRange", 416):
        s3.get_object(Bucket=bucket, Key="r", Range="bytes=200-300")


def test_a_range_that_is_none_is_ignored(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="r", Body=b"12345")

    assert read(s3, bucket, "r", Range="lines=1-2") == b"12345"


def test_the_response_can_be_told_to_look_otherwise(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")

    found = s3.get_object(
        Bucket=bucket, Key="a", ResponseContentType="text/csv", ResponseContentDisposition="attachment; filename=x.csv"
    )

    assert (found["ContentType"], found["ContentDisposition"]) == ("text/csv", "attachment; filename=x.csv")


def test_what_is_missing_says_what(s3: S3Client, bucket: str) -> None:
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="nope")
    with refused("NoSuchBucket", 404):
        s3.get_object(Bucket="no-bucket-of-this-name", Key="nope")
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket="no-bucket-of-this-name", Key="nope", Body=b"1")
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="nope")


def test_a_key_may_be_the_prefix_of_another(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="conf/a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="conf/a/b", Body=b"2")

    assert (read(s3, bucket, "conf/a"), read(s3, bucket, "conf/a/b")) == (b"1", b"2")


@pytest.mark.parametrize(
    "key", ["mk/", "dd//x", "a/../b", "./c", "L/" + "a" * 900, "ключ/鍵", "tab\tkey", "%2F", "a+b c", "~._-*'()!"]
)
def test_odd_keys_are_kept_as_they_are(s3: S3Client, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"7")

    assert read(s3, bucket, key) == b"7"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


def test_a_key_of_more_than_1024_bytes_is_refused(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k" * 1024, Body=b"1")

    with refused("KeyTooLongError", 400):
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"1")


def test_a_deleted_object_is_gone_and_deleting_again_is_fine(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_object(Bucket=bucket, Key="a")

    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="a")


def test_a_thousand_objects_are_deleted_at_once(s3: S3Client, bucket: str) -> None:
    keys = [f"k{number:04}" for number in range(1000)]
    for key in keys[:20]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")

    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
    told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "never-was"}]})

    assert "Errors" not in quiet
    assert "Deleted" not in quiet
    assert [one["Key"] for one in told["Deleted"]] == ["never-was"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_more_than_a_thousand_deletes_are_refused(s3: S3Client, bucket: str) -> None:
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(number)} for number in range(1001)]})


def test_encryption_is_told_as_it_was_asked(s3: S3Client, bucket: str) -> None:
    made = s3.put_object(Bucket=bucket, Key="kms", Body=b"s", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/mykey")
    s3.put_object(Bucket=bucket, Key="aes", Body=b"s", ServerSideEncryption="AES256")
    s3.put_object(Bucket=bucket, Key="plain", Body=b"s")

    assert (made["ServerSideEncryption"], made["SSEKMSKeyId"]) == ("aws:kms", "alias/mykey")
    assert s3.head_object(Bucket=bucket, Key="aes")["ServerSideEncryption"] == "AES256"
    assert "ServerSideEncryption" not in s3.head_object(Bucket=bucket, Key="plain")
    assert read(s3, bucket, "kms") == b"s"


def test_encryption_by_the_customers_key_is_refused(s3: S3Client, bucket: str) -> None:
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="c", Body=b"s", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)


def test_a_storage_class_is_told(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", StorageClass="STANDARD_IA")

    assert s3.head_object(Bucket=bucket, Key="a")["StorageClass"] == "STANDARD_IA"
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD_IA"


def test_select_is_refused_with_a_sentence(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="s.csv", Body=b"a,b\n1,2\n")

    with refused("NotImplemented", 501):
        s3.select_object_content(
            Bucket=bucket,
            Key="s.csv",
            ExpressionType="SQL",
            Expression="select * from s3object",
            InputSerialization={"CSV": {}},
            OutputSerialization={"CSV": {}},
        )


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("list_buckets", {"ContinuationToken": "!!"}),
        ("list_objects_v2", {"Bucket": "", "ContinuationToken": "////"}),
        ("list_objects", {"Bucket": "", "EncodingType": "base64"}),
        ("list_object_versions", {"Bucket": "", "VersionIdMarker": "x"}),
    ],
)
def test_nonsense_in_a_listing_is_the_callers_fault(
    s3: S3Client, bucket: str, operation: str, members: dict[str, str]
) -> None:
    named = {name: value or bucket for name, value in members.items()}

    with refused("InvalidArgument", 400):
        getattr(s3, operation)(**named)


def test_a_header_that_is_not_utf8_is_the_callers_fault(server: Server, s3: S3Client, bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a"}, ExpiresIn=60)

    answer = server.ask("PUT", url, b"1", {"Cache-Control": b"\xff\xfe".decode("latin-1")})

    assert answer.status == 400
