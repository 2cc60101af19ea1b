"""Checksums are taken, compared, kept and told; a body that is not what it claims is not stored."""

import base64
import hashlib
import os
import zlib

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from types_boto3_s3.client import S3Client
from types_boto3_s3.literals import ChecksumAlgorithmType

from tests.services.s3.server import KEY, SECRET, Answer, Server, refused

ALGORITHMS: list[ChecksumAlgorithmType] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_the_checksum_of_a_put_is_told_and_kept(s3: S3Client, bucket: str) -> None:
    made = s3.put_object(Bucket=bucket, Key="a", Body=b"hello")

    assert made["ChecksumCRC32"] == crc32(b"hello")
    assert s3.head_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(b"hello")
    assert "ChecksumCRC32" not in s3.head_object(Bucket=bucket, Key="a")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_served(s3: S3Client, bucket: str, algorithm: ChecksumAlgorithmType) -> None:
    data = os.urandom(300_000)

    made = s3.put_object(Bucket=bucket, Key="a", Body=data, ChecksumAlgorithm=algorithm)
    found = s3.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")

    assert found["Body"].read() == data
    assert made[f"Checksum{algorithm}"] == found[f"Checksum{algorithm}"]  # type: ignore[literal-required]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]


def test_a_wrong_checksum_is_refused_and_nothing_is_stored(s3: S3Client, bucket: str) -> None:
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="a", Body=b"abc", ChecksumCRC32=crc32(b"abd"))
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="a", Body=b"abc" * 100_000, ChecksumCRC32=crc32(b"abd"))

    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_wrong_md5_is_refused(s3: S3Client, bucket: str) -> None:
    with refused("BadDigest", 400):
        s3.put_object(
            Bucket=bucket, Key="a", Body=b"abc", ContentMD5=base64.b64encode(hashlib.md5(b"abd").digest()).decode()
        )
    for no_md5 in ("bm90IG1kNQ==", "é"):
        with refused("InvalidDigest", 400):
            s3.put_object(Bucket=bucket, Key="a", Body=b"abc", ContentMD5=no_md5)


def put_with_trailer(server: Server, bucket: str, data: bytes, checksum: str) -> Answer:
    """aws-chunked with the checksum behind the body, as SDKs send over TLS."""
    size = 65_536
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    body += b"0\r\nx-amz-checksum-crc32:" + checksum.encode() + b"\r\n\r\n"
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "content-encoding": "aws-chunked",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-sdk-checksum-algorithm": "CRC32",
    }
    request = AWSRequest("PUT", f"{server.url}/{bucket}/trailer", data=b"", headers=headers)
    request.context["payload_signing_enabled"] = True

    class Trailing(S3SigV4Auth):
        def payload(self, _: AWSRequest) -> str:
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    Trailing(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    signed = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
    return server.ask("PUT", f"/{bucket}/trailer", body, signed)


def test_a_checksum_behind_the_body_is_compared(server: Server, s3: S3Client, bucket: str) -> None:
    data = os.urandom(200_000)

    answer = put_with_trailer(server, bucket, data, crc32(data))
    found = s3.get_object(Bucket=bucket, Key="trailer")

    assert answer.status == 200
    assert answer.headers["x-amz-checksum-crc32"] == crc32(data)
    assert found["Body"].read() == data
    assert "ContentEncoding" not in found


def test_a_wrong_checksum_behind_the_body_is_refused(server: Server, s3: S3Client, bucket: str) -> None:
    answer = put_with_trailer(server, bucket, os.urandom(200_000), crc32(b"other"))

    assert answer.status == 400
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_copy_can_get_another_checksum(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"hello" * 10_000)

    made = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", ChecksumAlgorithm="SHA256")

    wanted = base64.b64encode(hashlib.sha256(b"hello" * 10_000).digest()).decode()
    assert made["CopyObjectResult"]["ChecksumSHA256"] == wanted


def test_words_of_checksums_may_be_in_lower_case(s3: S3Client, server: Server, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"hello")
    request = AWSRequest("GET", f"{server.url}/{bucket}/a", headers={"x-amz-checksum-mode": "enabled"})
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)

    answer = server.ask("GET", f"/{bucket}/a", None, dict(request.headers.items()))

    assert answer.headers["x-amz-checksum-crc32"] == crc32(b"hello")
