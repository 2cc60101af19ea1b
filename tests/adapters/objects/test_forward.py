"""Requests passed on to an external S3: verified here, signed again there, whole or not at all."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from types_boto3_s3.client import S3Client

from salvia.adapters.objects.files import FileObjects
from salvia.adapters.objects.s3 import S3Objects
from tests.contracts import external_s3
from tests.services.s3.server import (
    ACCOUNT,
    KEY,
    OTHER_KEY,
    OTHER_SECRET,
    SECRET,
    TOKEN,
    TOKEN_KEY,
    TOKEN_SECRET,
    Server,
    compose,
    forwarding,
    listening,
    refused,
)
from tests.services.s3.test_checksums import crc32, put_with_trailer
from tests.services.s3.test_signatures import signed

BUCKET = "forwarded"


class Forwarding:
    @pytest.fixture
    def server(self) -> Server:
        raise NotImplementedError

    @pytest.fixture
    def s3(self, server: Server) -> Iterator[S3Client]:
        client = server.client()
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        yield client
        client.close()

    @pytest.mark.parametrize("size", [0, 1000, 9_000_000])
    def test_bytes_go_through_both_ways(self, s3: S3Client, size: int) -> None:
        data = os.urandom(size)

        made = s3.put_object(Bucket=BUCKET, Key="d/k 1+ü=&.bin", Body=data, Metadata={"m": "1"}, ContentType="a/b")
        found = s3.get_object(Bucket=BUCKET, Key="d/k 1+ü=&.bin")

        assert made["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
        assert found["Body"].read() == data
        assert (found["ContentType"], found["Metadata"]) == ("a/b", {"m": "1"})
        assert s3.head_object(Bucket=BUCKET, Key="d/k 1+ü=&.bin")["ContentLength"] == size

    def test_ranges_lists_and_errors_go_through(self, s3: S3Client) -> None:
        s3.put_object(Bucket=BUCKET, Key="r/a", Body=b"0123456789")

        assert s3.get_object(Bucket=BUCKET, Key="r/a", Range="bytes=2-4")["Body"].read() == b"234"
        assert [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="r/")["Contents"]] == ["r/a"]
        with refused("NoSuchKey", 404):
            s3.get_object(Bucket=BUCKET, Key="absent")
        with refused("404", 404):
            s3.head_object(Bucket=BUCKET, Key="absent")

    def test_large_files_are_transferred_in_parts(self, s3: S3Client, tmp_path: Path) -> None:
        data = os.urandom(20 * 1024 * 1024)
        (tmp_path / "up").write_bytes(data)

        s3.upload_file(str(tmp_path / "up"), BUCKET, "large")
        s3.download_file(BUCKET, "large", str(tmp_path / "down"))

        assert (tmp_path / "down").read_bytes() == data

    def test_copies_and_deletes_go_through(self, s3: S3Client) -> None:
        s3.put_object(Bucket=BUCKET, Key="c/a", Body=b"1")
        s3.copy_object(Bucket=BUCKET, Key="c/b", CopySource={"Bucket": BUCKET, "Key": "c/a"})

        told = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "c/a"}, {"Key": "c/b"}]})

        assert sorted(one["Key"] for one in told["Deleted"]) == ["c/a", "c/b"]
        assert s3.list_objects_v2(Bucket=BUCKET, Prefix="c/")["KeyCount"] == 0

    @pytest.mark.parametrize("size", [200_000, 9_000_000])
    def test_a_checksum_behind_the_body_is_passed_on(self, server: Server, s3: S3Client, size: int) -> None:
        data = os.urandom(size)

        answer = put_with_trailer(server, BUCKET, data, crc32(data))

        assert answer.status == 200
        assert s3.get_object(Bucket=BUCKET, Key="trailer")["Body"].read() == data

    def test_a_body_that_was_tampered_with_does_not_arrive(self, server: Server, s3: S3Client) -> None:
        answers = [signed(server, "PUT", f"/{BUCKET}/t", b"good" * size, b"evil" * size) for size in (1, 100_000)]

        assert [answer.status for answer in answers] == [400, 400]
        with refused("404", 404):
            s3.head_object(Bucket=BUCKET, Key="t")

    def test_our_own_keys_count_and_nobody_elses(self, server: Server, s3: S3Client) -> None:
        s3.put_object(Bucket=BUCKET, Key="a", Body=b"1")
        session = server.client(TOKEN_KEY, TOKEN_SECRET, token=TOKEN)
        wrong, foreign = server.client(KEY, "wrong"), server.client(OTHER_KEY, OTHER_SECRET)
        backend = server.client(external_s3.KEY, external_s3.SECRET)

        assert session.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"1"
        with refused("SignatureDoesNotMatch", 403):
            wrong.get_object(Bucket=BUCKET, Key="a")
        with refused("AccessDenied", 403):
            foreign.get_object(Bucket=BUCKET, Key="a")
        with refused("InvalidAccessKeyId", 403):
            backend.get_object(Bucket=BUCKET, Key="a")
        assert server.ask("GET", f"/{BUCKET}/a").status == 403
        for client in (session, wrong, foreign, backend):
            client.close()

    def test_a_presigned_url_works_against_the_backend(self, server: Server, s3: S3Client) -> None:
        s3.put_object(Bucket=BUCKET, Key="p", Body=b"presigned")
        for version in ("s3v4", "s3"):
            client = server.client(signature_version=version)
            url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "p"}, ExpiresIn=60)
            client.close()

            assert server.ask("GET", url).body == b"presigned"

    def test_the_owner_is_the_account_of_the_settings(self, s3: S3Client) -> None:
        s3.put_object(Bucket=BUCKET, Key="o", Body=b"1", ExpectedBucketOwner=ACCOUNT)

        with refused("AccessDenied", 403):
            s3.put_object(Bucket=BUCKET, Key="o", Body=b"2", ExpectedBucketOwner="999999999999")


def served(endpoint: str, key: str, secret: str) -> Iterator[Server]:
    objects = S3Objects(endpoint, key, secret, "us-east-1", ACCOUNT)
    for url in listening(forwarding(objects), objects.close):
        yield Server(url)


@pytest.fixture(scope="module")
def before_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = FileObjects(tmp_path_factory.mktemp("store"))
    for url in listening(compose(store)):
        yield from served(url, KEY, SECRET)
    store.close()


@pytest.fixture(scope="module")
def before_seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with external_s3.seaweedfs(tmp_path_factory.mktemp("weed")) as url:
        yield from served(url, external_s3.KEY, external_s3.SECRET)


class TestBeforeOurOwn(Forwarding):
    @pytest.fixture
    def server(self, before_our_own: Server) -> Server:
        return before_our_own


@pytest.mark.slow
class TestBeforeSeaweedFs(Forwarding):
    @pytest.fixture
    def server(self, before_seaweedfs: Server) -> Server:
        return before_seaweedfs
