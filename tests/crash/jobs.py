"""Training jobs that say in their log what they do, and what must hold of each whatever was killed meanwhile."""

import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.crash.cluster import Cluster

IMAGE = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
GROUP = "/aws/sagemaker/TrainingJobs"
BUCKET = "crash"
ALL_STEPS = ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def request(name: str, script: str, **more: Any) -> dict[str, Any]:
    """A job that runs `script` in a shell, on all of a small machine."""
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
        "StoppingCondition": {"MaxRuntimeInSeconds": 120},
    } | more


def create(cluster: Cluster, asked: dict[str, Any]) -> str:
    """Returns the name when the job was acknowledged, be it by the refusal to make it twice."""
    try:
        cluster.ask("sagemaker", lambda sagemaker: sagemaker.create_training_job(**asked))
    except ClientError as error:  # it was made, and only the answer was lost
        assert error.response["Error"]["Code"] == "ResourceInUse"
    return str(asked["TrainingJobName"])


def shown(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.ask(
        "sagemaker", lambda sagemaker: sagemaker.describe_training_job(TrainingJobName=name)
    )
    return found


def until_in(cluster: Cluster, name: str, *secondary: str, seconds: float = 60) -> dict[str, Any]:
    """The job as soon as it is in one of the secondary statuses. Raises AssertionError when that takes longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = shown(cluster, name)
        if job["SecondaryStatus"] in secondary:
            return job
        time.sleep(0.01)
    raise AssertionError(f"{name} is not {' or '.join(secondary)} after {seconds} s: {job}")


def ended(cluster: Cluster, name: str, seconds: float = 180) -> dict[str, Any]:
    return until_in(cluster, name, "Completed", "Failed", "Stopped", "MaxRuntimeExceeded", seconds=seconds)


def steps(job: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in job["SecondaryStatusTransitions"]]


def lines(cluster: Cluster, name: str) -> list[str]:
    """All that the job printed: from every stream, so that a second run would show wherever it printed."""
    found: list[str] = []
    asked = {"logGroupName": GROUP, "logStreamNamePrefix": f"{name}/"}
    for stream in cluster.ask("logs", lambda logs: logs.describe_log_streams(**asked))["logStreams"]:
        read = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"], "startFromHead": True}
        found += [event["message"] for event in cluster.ask("logs", lambda logs: logs.get_log_events(**read))["events"]]
    return found


def model(cluster: Cluster, name: str) -> dict[str, bytes]:
    """The files in the job's model.tar.gz."""
    key = f"out/{name}/output/model.tar.gz"
    data = cluster.ask("s3", lambda s3: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def keys(cluster: Cluster, prefix: str) -> list[str]:
    pages = cluster.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def below(cluster: Cluster, prefix: str) -> dict[str, bytes]:
    """The objects below the prefix, by what follows it in their keys."""
    s3 = cluster.client("s3")
    read = {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys(cluster, prefix)}
    return {key.removeprefix(prefix): data for key, data in read.items()}


def supervisor(data: Path, name: str, attempt: int = 0, host: str = "algo-1") -> int:
    """The process that looks after a run of the job."""
    (claim,) = (data / "runs").glob(f"*-training-{name}-*-{attempt}-{host}/claim")
    return int(json.loads(claim.read_text())["pid"])
