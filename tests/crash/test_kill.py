"""kill -9 at any moment: what was acknowledged is there, and every job runs exactly once and ends."""

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers import Server

pytestmark = pytest.mark.slow

IMAGE = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
JOBS = 20
KILLS = 30
BUCKET = "crash"


class Writers:
    """Clients that go on through crashes: they try until they get an answer, and remember what was acknowledged."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers
        self.told = servers[0].variables()
        self.objects: dict[str, bytes] = {}
        self.jobs: list[str] = []
        self.done = threading.Event()

    def ask(self, service: str, call: Callable[[Any], Any]) -> Any:
        """The answer of whichever server answers."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            server = random.choice(self.servers)
            try:
                return call(server.client(service, self.told, read_timeout=10))
            except ClientError:
                raise
            except BotoCoreError:
                time.sleep(0.05)
        raise AssertionError("no server answered for a minute")

    def write_objects(self) -> None:
        number = 0
        while not self.done.is_set():
            number += 1
            key, data = f"object-{number}", random.randbytes(random.choice([10, 5_000, 100_000]))
            server = random.choice(self.servers)
            with suppress(BotoCoreError):
                server.client("s3", self.told).put_object(Bucket=BUCKET, Key=key, Body=data)
                self.objects[key] = data

    def create_jobs(self) -> None:
        for number in range(JOBS):
            name = f"crash-{number}"
            try:
                self.ask("sagemaker", lambda client: client.create_training_job(**job(name)))
            except ClientError as error:  # it was created, and only the answer was lost
                assert error.response["Error"]["Code"] == "ResourceInUse"
            self.jobs.append(name)

    def ended(self, name: str) -> dict[str, Any]:
        until = time.monotonic() + 180
        while time.monotonic() < until:
            shown: dict[str, Any] = self.ask(
                "sagemaker", lambda client: client.describe_training_job(TrainingJobName=name)
            )
            if shown["TrainingJobStatus"] != "InProgress":
                return shown
            time.sleep(0.2)
        raise AssertionError(f"{name} never ended: {shown['SecondaryStatusTransitions']}")

    def lines(self, name: str) -> list[str]:
        group = "/aws/sagemaker/TrainingJobs"
        streams = self.ask(
            "logs", lambda logs: logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
        )
        stream = streams["logStreams"][0]["logStreamName"]
        events = self.ask(
            "logs", lambda logs: logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
        )
        return [event["message"] for event in events["events"]]


def job(name: str) -> dict[str, Any]:
    script = "echo started; sleep 0.3; echo $TRAINING_JOB_NAME > /opt/ml/model/name; echo ended"
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": [script],
        },
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


@pytest.fixture
def data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("count", [1, 2], ids=["one server", "two servers on one database"])
def test_nothing_acknowledged_is_lost_and_no_job_runs_twice(data: Path, count: int) -> None:
    chance = random.Random(7 * count)
    servers = [Server(data).start() for _ in range(count)]
    writers = Writers(servers)
    writers.ask(
        "s3", lambda s3: s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    )
    threads = [threading.Thread(target=work) for work in (writers.write_objects, writers.create_jobs)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.6))
            victim = chance.choice(servers)
            victim.kill()
            victim.start()
        threads[1].join(120)
        shown = {name: writers.ended(name) for name in writers.jobs}
        writers.done.set()
        threads[0].join(60)

        assert {name: job["TrainingJobStatus"] for name, job in shown.items()} == dict.fromkeys(
            (f"crash-{number}" for number in range(JOBS)), "Completed"
        )
        assert {name: writers.lines(name) for name in writers.jobs} == {
            name: ["started", "ended"] for name in writers.jobs
        }
        s3 = servers[0].client("s3", writers.told)
        found = {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in writers.objects}

        assert found == writers.objects
        assert len(found) > KILLS
    finally:
        writers.done.set()
        for server in servers:
            server.stop()
