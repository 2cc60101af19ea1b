"""Uploads in parts: in any order, again, copied, listed, completed, aborted, and read part by part."""

import base64
import hashlib
import os
from pathlib import Path

import pytest
from types_boto3_s3.client import S3Client
from types_boto3_s3.type_defs import CompletedPartTypeDef

from tests.services.s3.server import refused

MIB = 1024 * 1024
FIVE = os.urandom(5 * MIB)


def upload_part(s3: S3Client, bucket: str, key: str, upload: str, number: int, data: bytes) -> CompletedPartTypeDef:
    made = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=data)
    return {"PartNumber": number, "ETag": made["ETag"], "ChecksumCRC32": made["ChecksumCRC32"]}


def upload(s3: S3Client, bucket: str, key: str, *datas: bytes) -> str:
    """An object of these parts; its ETag."""
    made = s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType="a/b", Metadata={"m": "1"})["UploadId"]
    parts = [upload_part(s3, bucket, key, made, number, data) for number, data in enumerate(datas, 1)]
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=made, MultipartUpload={"Parts": parts})["ETag"]


def test_parts_become_one_object(s3: S3Client, bucket: str) -> None:
    etag = upload(s3, bucket, "mp", FIVE, FIVE, b"tail")

    found = s3.get_object(Bucket=bucket, Key="mp")
    digests = hashlib.md5(hashlib.md5(FIVE).digest() * 2 + hashlib.md5(b"tail").digest())
    assert found["Body"].read() == FIVE + FIVE + b"tail"
    assert etag == f'"{digests.hexdigest()}-3"'
    assert (found["ContentType"], found["Metadata"]) == ("a/b", {"m": "1"})


def test_a_range_may_cross_parts(s3: S3Client, bucket: str) -> None:
    upload(s3, bucket, "mp", FIVE, b"tail")

    found = s3.get_object(Bucket=bucket, Key="mp", Range=f"bytes={5 * MIB - 10}-{5 * MIB + 1}")

    assert found["Body"].read() == FIVE[-10:] + b"ta"


def test_what_is_open_is_listed(s3: S3Client, bucket: str) -> None:
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    for number, data in ((1, FIVE), (2, FIVE), (3, b"tail")):
        upload_part(s3, bucket, "mp", made, number, data)

    parts = s3.list_parts(Bucket=bucket, Key="mp", UploadId=made)["Parts"]
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]

    assert [part["Size"] for part in parts] == [5 * MIB, 5 * MIB, 4]
    assert [(one["Key"], one["UploadId"]) for one in uploads] == [("mp", made)]


def test_parts_and_uploads_come_in_pages(s3: S3Client, bucket: str) -> None:
    made = [s3.create_multipart_upload(Bucket=bucket, Key=f"k{number % 2}")["UploadId"] for number in range(5)]
    for number in (1, 2, 3):
        upload_part(s3, bucket, "k0", made[0], number, b"x")

    parts = s3.get_paginator("list_parts").paginate(
        Bucket=bucket, Key="k0", UploadId=made[0], PaginationConfig={"PageSize": 2}
    )
    uploads = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})

    assert [part["PartNumber"] for page in parts for part in page["Parts"]] == [1, 2, 3]
    found = [(one["Key"], one["UploadId"]) for page in uploads for one in page["Uploads"]]
    assert found == [("k0", made[0]), ("k0", made[2]), ("k0", made[4]), ("k1", made[1]), ("k1", made[3])]


def test_parts_may_come_in_any_order_and_again(s3: S3Client, bucket: str) -> None:
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    last = upload_part(s3, bucket, "mp", made, 7, b"end")
    upload_part(s3, bucket, "mp", made, 2, b"replaced" * MIB)
    first = upload_part(s3, bucket, "mp", made, 2, FIVE)

    s3.complete_multipart_upload(Bucket=bucket, Key="mp", UploadId=made, MultipartUpload={"Parts": [first, last]})

    assert s3.get_object(Bucket=bucket, Key="mp")["Body"].read() == FIVE + b"end"


def test_parts_can_be_copied_whole_and_in_ranges(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="big", Body=FIVE)
    s3.put_object(Bucket=bucket, Key="small", Body=b"0123456789")
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    asked = [("big", None), ("big", f"bytes=5-{5 * MIB - 1}"), ("small", "bytes=2-4")]
    parts: list[CompletedPartTypeDef] = []
    for number, (key, span) in enumerate(asked, 1):
        more = {"CopySourceRange": span} if span else {}
        copied = s3.upload_part_copy(
            Bucket=bucket,
            Key="mp",
            UploadId=made,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": key},
            **more,  # type: ignore[arg-type]
        )
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    with refused("EntityTooSmall", 400):
        s3.complete_multipart_upload(Bucket=bucket, Key="mp", UploadId=made, MultipartUpload={"Parts": parts})
    parts.pop(1)

    s3.complete_multipart_upload(Bucket=bucket, Key="mp", UploadId=made, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=bucket, Key="big")

    assert s3.get_object(Bucket=bucket, Key="mp")["Body"].read() == FIVE + b"234"


def test_an_aborted_upload_is_gone(s3: S3Client, bucket: str) -> None:
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    upload_part(s3, bucket, "mp", made, 1, b"1")

    s3.abort_multipart_upload(Bucket=bucket, Key="mp", UploadId=made)

    with refused("NoSuchUpload", 404):
        s3.list_parts(Bucket=bucket, Key="mp", UploadId=made)
    with refused("NoSuchUpload", 404):
        upload_part(s3, bucket, "mp", made, 2, b"1")


def test_parts_that_are_named_wrongly_are_refused(s3: S3Client, bucket: str) -> None:
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    first, second = (upload_part(s3, bucket, "mp", made, number, b"1") for number in (1, 2))

    def complete(*parts: CompletedPartTypeDef) -> None:
        s3.complete_multipart_upload(Bucket=bucket, Key="mp", UploadId=made, MultipartUpload={"Parts": list(parts)})

    with refused("InvalidPart", 400):
        complete({"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'})
    with refused("InvalidPart", 400):
        complete({"PartNumber": 9, "ETag": first["ETag"]})
    with refused("InvalidPartOrder", 400):
        complete(second, first)
    with refused("EntityTooSmall", 400):
        complete(first, second)
    with refused("MalformedXML", 400):
        complete()
    with refused("InvalidArgument", 400):
        upload_part(s3, bucket, "mp", made, 10_001, b"1")


def test_boto3_transfers_a_large_file_both_ways(s3: S3Client, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(20 * MIB)
    (tmp_path / "up").write_bytes(data)

    s3.upload_file(str(tmp_path / "up"), bucket, "tm/20")
    s3.download_file(bucket, "tm/20", str(tmp_path / "down"))

    assert (tmp_path / "down").read_bytes() == data


def test_the_checksum_of_the_whole_is_that_of_the_bytes(s3: S3Client, bucket: str) -> None:
    data = FIVE + b"hello"
    whole = s3.put_object(Bucket=bucket, Key="whole", Body=data, ChecksumAlgorithm="CRC64NVME")
    made = s3.create_multipart_upload(
        Bucket=bucket, Key="nv", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
    )["UploadId"]
    parts: list[CompletedPartTypeDef] = []
    for number, piece in enumerate((FIVE, b"hello"), 1):
        part = s3.upload_part(
            Bucket=bucket, Key="nv", UploadId=made, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC64NVME"
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"]})

    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="nv", UploadId=made, ChecksumType="FULL_OBJECT", MultipartUpload={"Parts": parts}
    )

    assert done["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"]
    assert done["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="nv", ChecksumMode="ENABLED")["Body"].read() == data


def test_a_composite_checksum_is_that_of_the_checksums(s3: S3Client, bucket: str) -> None:
    made = s3.create_multipart_upload(Bucket=bucket, Key="sha", ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(
        Bucket=bucket, Key="sha", UploadId=made, PartNumber=1, Body=b"hello", ChecksumAlgorithm="SHA256"
    )

    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="sha",
        UploadId=made,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]},
    )

    inner = hashlib.sha256(hashlib.sha256(b"hello").digest()).digest()
    assert done["ChecksumSHA256"] == f"{base64.b64encode(inner).decode()}-1"
    assert done["ChecksumType"] == "COMPOSITE"


def test_a_sum_of_the_whole_needs_an_algorithm_that_can(s3: S3Client, bucket: str) -> None:
    with refused("InvalidRequest", 400):
        s3.create_multipart_upload(Bucket=bucket, Key="x", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")


def test_an_object_is_read_part_by_part(s3: S3Client, bucket: str) -> None:
    upload(s3, bucket, "mp", FIVE, b"tail")

    head = s3.head_object(Bucket=bucket, Key="mp", PartNumber=1)
    second = s3.get_object(Bucket=bucket, Key="mp", PartNumber=2)

    assert (head["ContentLength"], head["PartsCount"]) == (5 * MIB, 2)
    assert second["Body"].read() == b"tail"
    assert second["ContentRange"] == f"bytes {5 * MIB}-{5 * MIB + 3}/{5 * MIB + 4}"
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=bucket, Key="mp", PartNumber=3)


def test_the_attributes_of_an_object_tell_its_parts(s3: S3Client, bucket: str) -> None:
    upload(s3, bucket, "mp", FIVE, b"tail")

    found = s3.get_object_attributes(
        Bucket=bucket, Key="mp", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts", "Checksum", "StorageClass"]
    )

    assert (found["ObjectSize"], found["StorageClass"]) == (5 * MIB + 4, "STANDARD")
    assert found["ObjectParts"]["TotalPartsCount"] == 2
    assert [part["Size"] for part in found["ObjectParts"]["Parts"]] == [5 * MIB, 4]
    assert found["Checksum"]["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("deleted", [False, True])
def test_a_bucket_with_an_open_upload_is_not_empty(s3: S3Client, bucket: str, deleted: bool) -> None:
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    if deleted:
        s3.abort_multipart_upload(Bucket=bucket, Key="mp", UploadId=made)
        s3.delete_bucket(Bucket=bucket)
        return
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
