"""Training jobs that run scripts, on any server: created, awaited and read through the unmodified boto3."""

import csv
import io
import tarfile
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.clients.conftest import ROOT
from tests.servers import Server

PYTHON = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
GROUP = "/aws/sagemaker/TrainingJobs"


class Jobs:
    """Root's view of `server`. `bucket` is made when it is not there."""

    def __init__(self, server: Server, bucket: str = "jobs") -> None:
        self.server, self.bucket = server, bucket
        self.told = server.variables()
        self.sagemaker, self.s3, self.logs, self.iam, self.sts = (
            server.client(name, self.told) for name in ("sagemaker", "s3", "logs", "iam", "sts")
        )
        if bucket not in {each["Name"] for each in self.s3.list_buckets()["Buckets"]}:
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def put(self, key: str, data: bytes | str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def train(
        self, script: str, channels: Mapping[str, str] | None = None, by: tuple[str, ...] = ("/bin/sh",), **changes: Any
    ) -> str:
        """A job in which `by` runs `script`; `channels` are prefixes of the bucket. Returns its name."""
        name = f"job-{time.time_ns():x}"
        self.put(f"scripts/{name}/script", script)
        channels = {"script": f"scripts/{name}/"} | dict(channels or {})
        algorithm = {
            "TrainingImage": PYTHON,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": [*by, "/opt/ml/input/data/script/script"],
        }
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": algorithm,
            "ResourceConfig": {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
        }
        request["InputDataConfig"] = [
            {
                "ChannelName": channel,
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}},
            }
            for channel, prefix in channels.items()
        ]
        self.sagemaker.create_training_job(**(request | changes))
        return name

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def ended(self, name: str, seconds: float = 120) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            job = self.describe(name)
            if job["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
                return job
            time.sleep(0.1)
        raise AssertionError(f"never ended: {job['SecondaryStatusTransitions']}\n{self.lines(name)}")

    def completed(self, name: str) -> list[str]:
        """What it printed."""
        job = self.ended(name)
        assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), self.lines(name))
        return self.lines(name)

    def until_it_says(self, name: str, line: str) -> None:
        for _ in range(600):
            if line in self.lines(name):
                return
            time.sleep(0.05)
        raise AssertionError(f"it never said {line!r} but {self.lines(name)}: {self.describe(name)}")

    def lines(self, name: str) -> list[str]:
        found: list[str] = []
        try:
            streams = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
        except ClientError:  # no job has written yet
            return found
        for stream in streams:
            page = self.logs.get_log_events(
                logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True
            )
            found += [event["message"] for event in page["events"]]
        return found

    def left(self, name: str) -> dict[str, bytes]:
        """What stands in model.tar.gz: names and contents."""
        data = self.s3.get_object(Bucket=self.bucket, Key=f"out/{name}/output/model.tar.gz")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = tar.getmembers()
            assert all(member.isreg() or member.islnk() for member in members), members
            return {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def abalone() -> dict[str, str]:
    """Rows for XGBoost, as text: the train channel in two files, one for each of two instances, and the validation channel."""
    with (ROOT / "examples/data/abalone/abalone.csv").open() as file:
        rows = [[row[8], "MFI".index(row[0]), *row[1:8]] for row in csv.reader(file)]
    parts = {"train/1.csv": rows[:1500:2], "train/2.csv": rows[1:1500:2], "validation/1.csv": rows[3000:]}
    return {name: "\n".join(",".join(map(str, row)) for row in part) for name, part in parts.items()}
