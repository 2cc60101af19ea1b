"""Whatever is sent to an operation that is served, the answer is an AWS-shaped refusal or a true success: no 5xx, no hang."""

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.response import StreamingBody

from salvia.app import operations
from tests.clients.drawn import Draw
from tests.servers import Server

pytestmark = pytest.mark.slow

TRIES = 25
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
IMAGE = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
SERVED = sorted(
    {(row.service, row.operation) for row in operations() if row.state != "refused"} - {("s3", "PostObject")}
)


class Bench:
    """A server with something in it, and clients that check nothing before they send."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.told = server.variables()
        self.clients: dict[str, Any] = {}
        s3, logs = self.client("s3"), self.client("logs")
        s3.create_bucket(Bucket="drawn", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket="drawn", Key="key", Body=b"data")
        logs.create_log_group(logGroupName="drawn")
        logs.create_log_stream(logGroupName="drawn", logStreamName="stream")
        self.known: dict[str, list[Any]] = {
            "Bucket": ["drawn", "drawn", "missing-bucket"],
            "Key": ["key", "big", "a/b//c", "ключ", "../x"],
            "UploadId": [s3.create_multipart_upload(Bucket="drawn", Key="big")["UploadId"], "none"],
            "CopySource": ["drawn/key", "/drawn/key", "nowhere", "drawn/key?versionId=x"],
            "RoleArn": [ROLE],
            "RoleName": ["SalviaExecutionRole", "none"],
            "S3Uri": ["s3://drawn/key", "s3://drawn/", "s3://none/x"],
            "S3OutputPath": ["s3://drawn/out"],
            "TrainingImage": [IMAGE, "none"],
            "TrainingInputMode": ["File"],
            "InstanceType": ["ml.m5.large"],
            "logGroupName": ["drawn", "none"],
            "logStreamName": ["stream", "none"],
        }

    def client(self, name: str) -> Any:
        if name not in self.clients:
            self.clients[name] = self.server.client(name, self.told, parameter_validation=False)
        return self.clients[name]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
        yield Bench(server)


@pytest.mark.parametrize(("service", "operation"), SERVED, ids=lambda value: str(value))
def test_no_input_brings_the_server_to_its_knees(bench: Bench, service: str, operation: str) -> None:
    client = bench.client(service)
    shape = client.meta.service_model.operation_model(operation).input_shape
    for attempt in range(TRIES):
        drawn = Draw(zlib.crc32(f"{service}{operation}{attempt}".encode()), bench.known).request(shape)
        if operation in {"DeleteBucket", "DeleteLogGroup", "DeleteRole"}:
            drawn.pop("Bucket", None)  # what the other tests stand on
        try:
            answer = getattr(client, xform_name(operation))(**drawn)
        except ClientError as refused:
            status, code = refused.response["ResponseMetadata"]["HTTPStatusCode"], refused.response["Error"]["Code"]

            assert 300 <= status < 500, (operation, drawn, refused)
            assert code, (operation, drawn)
        except HTTPClientError as broken:
            raise AssertionError(f"{operation} {drawn}: {broken!r}") from broken
        except (BotoCoreError, ValueError, TypeError, AttributeError):
            continue  # botocore itself could not write it down
        else:
            for value in answer.values():
                if isinstance(value, StreamingBody):
                    value.read()
