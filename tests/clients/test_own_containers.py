"""Own container images through unmodified clients: training, processing, batch transform, endpoints, and kills of the server."""

import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.images.daemon import Daemon
from tests import daemon as daemons
from tests.clients.conftest import Client, build
from tests.clients.test_boto3 import BUCKET, Cloud
from tests.servers import Server

pytestmark = pytest.mark.slow

SERVES = (
    "import http.server, os, time\n"
    "class Answer(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.answer(b'')\n"
    "    def do_POST(self):\n"
    "        time.sleep(float(os.environ.get('SLOW', '0')))\n"
    "        self.answer(self.rfile.read(int(self.headers['Content-Length'])).upper())\n"
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


def train(cloud: Cloud, *script: str, mode: str = "File", packing: str = "None", **environment: str) -> str:
    name = f"own-{time.time_ns():x}"
    entry = {"ContainerEntrypoint": ["/bin/sh", "-c"], "ContainerArguments": list(script)} if script else {}
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/own/"}
    cloud.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=cloud.role,
        AlgorithmSpecification={"TrainingImage": daemons.IMAGE, "TrainingInputMode": mode, **entry},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}, "CompressionType": packing}],
        Environment=environment,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 120},
    )
    return name


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.1)


def restart(server: Server) -> None:
    server.kill()
    server.start()


def lines(cloud: Cloud, group: str, name: str) -> list[str]:
    """What the job has printed so far."""
    try:
        streams = cloud.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    except cloud.logs.exceptions.ResourceNotFoundException:
        return []
    read = partial(cloud.logs.get_log_events, logGroupName=group, startFromHead=True)
    return [event["message"] for one in streams for event in read(logStreamName=one["logStreamName"])["events"]]


def objects(cloud: Cloud, prefix: str) -> dict[str, bytes]:
    listed = cloud.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    keys = [one["Key"] for one in listed]
    return {key.removeprefix(prefix): cloud.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


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
    restart(server)
    job = cloud.ended(name)

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert cloud.lines(name) == ["1,2", "trained"]


def test_a_channel_in_pipe_mode_is_read_epoch_after_epoch(cloud: Cloud) -> None:
    name = train(cloud, "cat /opt/ml/input/data/train_0 /opt/ml/input/data/train_1", mode="Pipe")
    job = cloud.ended(name)

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert cloud.lines(name) == ["1,2", "1,2"]


def test_a_pipe_whose_data_cannot_be_read_ends_the_job_in_words(cloud: Cloud) -> None:
    job = cloud.ended(train(cloud, "cat /opt/ml/input/data/train_0", mode="Pipe", packing="Gzip"))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed: channel train: ")


def test_a_script_processor_of_sdk_v2_runs_on_an_own_image(server: Server, cloud: Cloud, tmp_path: Path) -> None:
    result = Client(build("sdk2"), server.variables() | {"HOME": str(tmp_path)}).python(
        f"""
import pathlib
from sagemaker import Session
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
pathlib.Path("run.py").write_text('''
import os, pathlib, sys
rows = pathlib.Path("/opt/ml/processing/input/data/rows").read_text()
pathlib.Path("/opt/ml/processing/output/rows").write_text(rows * int(sys.argv[1]))
pathlib.Path("/opt/ml/output/message").write_text("of " + os.environ["WHOSE"])
''')
session = Session()
processor = ScriptProcessor("{cloud.role}", "{daemons.IMAGE}", ["python3"], 1, "ml.m5.large", env={{"WHOSE": "mine"}}, sagemaker_session=session)
processor.run(
    "run.py",
    inputs=[ProcessingInput("s3://{BUCKET}/own", "/opt/ml/processing/input/data")],
    outputs=[ProcessingOutput("/opt/ml/processing/output", "s3://{BUCKET}/processed")],
    arguments=["3"],
    logs=False,
)
job = processor.latest_job.describe()
print()  # after the dots of waiting
left = session.read_s3_file("{BUCKET}", "processed/rows")
result = {{"status": job["ProcessingJobStatus"], "message": job["ExitMessage"], "left": left}}
"""
    )

    assert result == {"status": "Completed", "message": "of mine", "left": "1,2\n" * 3}


def test_a_processing_job_goes_on_while_the_server_is_killed(cloud: Cloud, server: Server) -> None:
    name = f"own-{time.time_ns():x}"
    script = "echo begun; sleep 4; echo done > /opt/ml/processing/output/result; echo ended > /opt/ml/output/message"
    output = {"S3Uri": f"s3://{BUCKET}/{name}", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    app = {
        "ImageUri": daemons.IMAGE,
        "ContainerEntrypoint": ["/bin/sh", "-c"],
        "ContainerArguments": [script],
    }
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    cloud.sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=cloud.role,
        AppSpecification=app,
        ProcessingResources={"ClusterConfig": cluster},
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": output}]},
    )
    wait(lambda: lines(cloud, "/aws/sagemaker/ProcessingJobs", name) == ["begun"])
    restart(server)
    wait(lambda: cloud.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] != "InProgress")
    job = cloud.sagemaker.describe_processing_job(ProcessingJobName=name)

    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Completed", "ended\n")
    assert lines(cloud, "/aws/sagemaker/ProcessingJobs", name) == ["begun"]
    assert objects(cloud, f"{name}/") == {"result": b"done\n"}


def test_a_transform_job_goes_on_while_the_server_is_killed(cloud: Cloud, server: Server) -> None:
    name = f"own-{time.time_ns():x}"
    container = {"Image": daemons.IMAGE, "Environment": {"SLOW": "0.5"}}
    for number in range(6):
        cloud.s3.put_object(Bucket=BUCKET, Key=f"{name}/in/{number}", Body=f"row {number}".encode())
    cloud.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/in/"}}
    cloud.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={"DataSource": source},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    wait(lambda: bool(objects(cloud, f"{name}/out/")))
    restart(server)
    wait(lambda: cloud.sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"] != "InProgress")
    job = cloud.sagemaker.describe_transform_job(TransformJobName=name)

    assert job["TransformJobStatus"] == "Completed", job
    assert objects(cloud, f"{name}/out/") == {f"{number}.out": f"ROW {number}".encode() for number in range(6)}


def test_an_image_that_cannot_be_had_fails_its_job_in_words(cloud: Cloud) -> None:
    image = "own.invalid/none:1"
    job = cloud.ended(cloud.train("none", "true", algorithm={"TrainingImage": image}))

    assert job["TrainingJobStatus"] == "Failed"
    assert f"the image {image} cannot be pulled" in job["FailureReason"]


def test_an_own_image_serves_on_its_port_8080_though_the_server_is_killed(cloud: Cloud, server: Server) -> None:
    name = f"own-{time.time_ns():x}"
    runtime = cloud.client("sagemaker-runtime")
    cloud.sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": daemons.IMAGE}, ExecutionRoleArn=cloud.role)
    variant = {"VariantName": "a", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    cloud.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    cloud.sagemaker.create_endpoint_config(EndpointConfigName=f"{name}-2", ProductionVariants=[variant])
    cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    shown = partial(cloud.sagemaker.describe_endpoint, EndpointName=name)
    restart(server)
    wait(lambda: shown()["EndpointStatus"] != "Creating")
    said = [runtime.invoke_endpoint(EndpointName=name, Body=b"hello")["Body"].read()]
    cloud.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=f"{name}-2")
    restart(server)
    said.append(runtime.invoke_endpoint(EndpointName=name, Body=b"again")["Body"].read())
    wait(lambda: shown()["EndpointStatus"] != "Updating")
    endpoint = shown()
    daemon = Daemon(server.environment["SALVIA_CONTAINER_SOCKET"])
    wait(lambda: len(daemon.call("GET", "/containers/json")) == 1)
    cloud.sagemaker.delete_endpoint(EndpointName=name)
    wait(lambda: not daemon.call("GET", "/containers/json"))

    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", f"{name}-2"), endpoint
    assert said == [b"HELLO", b"AGAIN"]
