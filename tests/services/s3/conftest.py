"""One S3 server for all tests of this folder; a bucket for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from types_boto3_s3.client import S3Client

from salvia.adapters.objects.files import FileObjects
from tests.services.s3.server import Server, compose, listening


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    objects = FileObjects(Path(tmp_path_factory.mktemp("objects")))
    for url in listening(compose(objects)):
        yield Server(url)
    objects.close()


@pytest.fixture(scope="session")
def s3(server: Server) -> Iterator[S3Client]:
    client = server.client()
    yield client
    client.close()


_numbers = itertools.count()


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """A new bucket of the first account."""
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3: S3Client, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket
