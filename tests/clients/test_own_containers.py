"""The unmodified boto3: own container images, from training over a kill of the server to an endpoint."""

import io
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import daemon as daemons
from tests.clients.test_boto3 import BUCKET, Cloud
from tests.servers import Server

pytestmark = pytest.mark.slow

SERVES = (
    "import http.server\n"
    "class Answer(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.answer(b'')\n"
    "    def do_POST(self): self.answer(self.rfile.read(int(self.headers['Content-Length'])).upper())\n"
    "    def answer(self, body):\n"
    "        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()\n"
    "        self.wfile.write(body + b'')\n"
    "http.server.HTTPServer(('0.0.0.0', 8080), Answer).serve_forever()\n"
)


TRAINS = "#!/bin/sh\ncat /opt/ml/input/data/train/rows; sleep ${LONG:-0}; echo trained > /opt/ml/model/weights; echo trained\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = {"train": TRAINS, "serve": f"#!/usr/bin/python3\n{SERVES}"}
    with daemons.running(programs) as daemon, tempfile.TemporaryDirectory() as data:
        server = Server(Path(data), variables={"SALVIA_CONTAINER_SOCKET": daemon.path})
        with server:
            yield server


@pytest.fixture
def cloud(server: Server, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud(server.variables(), monkeypatch)
    if BUCKET not in {bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]}:
        cloud.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    cloud.s3.put_object(Bucket=BUCKET, Key="own/rows", Body=b"1,2\n")
    return cloud


def train(cloud: Cloud, **environment: str) -> str:
    name = f"own-{time.time_ns():x}"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/own/"}
    cloud.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=cloud.role,
        AlgorithmSpecification={"TrainingImage": daemons.IMAGE, "TrainingInputMode": "File"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        Environment=environment,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 120},
    )
    return name


def files(cloud: Cloud, job: dict[str, Any]) -> dict[str, bytes]:
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    data = cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def test_an_own_image_trains_with_its_own_program(cloud: Cloud) -> None:
    job = cloud.ended(train(cloud))

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert cloud.lines(job["TrainingJobName"]) == ["1,2", "trained"]
    assert files(cloud, job) == {"weights": b"trained\n"}


def test_a_container_goes_on_while_the_server_is_killed_and_is_adopted(cloud: Cloud, server: Server) -> None:
    name = train(cloud, LONG="4")
    cloud.running(name)
    server.kill()
    server.spawn()
    server.wait_until_ready()
    job = cloud.ended(name)

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert cloud.lines(name) == ["1,2", "trained"]


def test_an_image_that_cannot_be_had_fails_its_job_in_words(cloud: Cloud) -> None:
    image = "own.invalid/none:1"
    job = cloud.ended(cloud.train("none", "true", algorithm={"TrainingImage": image}))

    assert job["TrainingJobStatus"] == "Failed"
    assert f"the image {image} cannot be pulled" in job["FailureReason"]


def test_an_own_image_serves_on_its_port_8080(cloud: Cloud) -> None:
    name = f"own-{time.time_ns():x}"
    runtime = cloud.client("sagemaker-runtime")
    cloud.sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": daemons.IMAGE}, ExecutionRoleArn=cloud.role)
    variant = {"VariantName": "a", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    cloud.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for _ in range(300):
        endpoint = cloud.sagemaker.describe_endpoint(EndpointName=name)
        if endpoint["EndpointStatus"] != "Creating":
            break
        time.sleep(0.1)

    assert endpoint["EndpointStatus"] == "InService", endpoint
    assert runtime.invoke_endpoint(EndpointName=name, Body=b"hello")["Body"].read() == b"HELLO"
    cloud.sagemaker.delete_endpoint(EndpointName=name)
