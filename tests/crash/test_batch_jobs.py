"""kill -9 of the server during processing and batch transform: every job ends once, and no output is made twice."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.crash import jobs
from tests.crash.cluster import Cluster
from tests.crash.jobs import BUCKET, IMAGE, ROLE

pytestmark = pytest.mark.slow

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
OBJECTS, ROWS, KILLS = 40, 100, 4


def acknowledged(cluster: Cluster, call: Callable[[Any], Any]) -> None:
    """It was made, be it by the refusal to make it twice."""
    try:
        cluster.ask("sagemaker", call)
    except ClientError as error:
        assert "already exist" in str(error), error


def put(cluster: Cluster, key: str, data: str) -> None:
    cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=data))


def process(cluster: Cluster, name: str) -> None:
    script = "echo started; sleep 0.5; cat /opt/ml/processing/in/* | wc -l > /opt/ml/processing/out/count; echo ended"
    where = {"LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    out = {"S3Uri": f"s3://{BUCKET}/{name}", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    asked = {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["/bin/sh", "-c", script]},
        "ProcessingResources": {"ClusterConfig": {**CLUSTER, "VolumeSizeInGB": 1}},
        "ProcessingInputs": [{"InputName": "in", "S3Input": {"S3Uri": f"s3://{BUCKET}/rows", **where}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": out}]},
    }
    acknowledged(cluster, lambda sagemaker: sagemaker.create_processing_job(**asked))


def transform(cluster: Cluster, name: str) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/rows"}}
    asked = {
        "TransformJobName": name,
        "ModelName": "model",
        "BatchStrategy": "SingleRecord",
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/{name}", "Accept": "text/csv", "AssembleWith": "Line"},
        "TransformResources": CLUSTER,
    }
    acknowledged(cluster, lambda sagemaker: sagemaker.create_transform_job(**asked))


def make_model(cluster: Cluster) -> None:
    rows = "\n".join(f"{number % 5},{number},{number % 3}" for number in range(60))
    put(cluster, "train/rows.csv", rows)
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/train"}}
    asked = jobs.request(
        "train",
        "",
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={"num_round": "2", "objective": "reg:squarederror"},
        InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": data}],
    )
    jobs.create(cluster, asked)
    assert jobs.ended(cluster, "train")["TrainingJobStatus"] == "Completed"
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{BUCKET}/out/train/output/model.tar.gz"}
    acknowledged(
        cluster,
        lambda sagemaker: sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE),
    )


def ended(cluster: Cluster, noun: str, name: str, seconds: float = 180) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job: dict[str, Any] = cluster.ask(
            "sagemaker",
            lambda sagemaker: getattr(sagemaker, f"describe_{noun.lower()}_job")(**{f"{noun}JobName": name}),
        )
        if job[f"{noun}JobStatus"] not in {"InProgress", "Stopping"}:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{name} has not ended after {seconds} s")


def versions(cluster: Cluster, prefix: str) -> dict[str, int]:
    """How often each object below the prefix was written."""
    found: dict[str, int] = {}
    page = cluster.ask("s3", lambda s3: s3.list_object_versions(Bucket=BUCKET, Prefix=f"{prefix}/"))
    for version in page.get("Versions", ()):
        found[version["Key"]] = found.get(version["Key"], 0) + 1
    return found


def test_processing_and_transform_jobs_end_once_and_make_no_output_twice(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        make_model(cluster)
        kept = {"Status": "Enabled"}
        cluster.ask("s3", lambda s3: s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=kept))
        rows = "".join(f"{number},{number % 3}\n" for number in range(ROWS))
        for number in range(OBJECTS):
            put(cluster, f"rows/{number:02}.csv", rows)
        transform(cluster, "scored")
        process(cluster, "counted-1")
        process(cluster, "counted-2")
        cluster.kill_at_random(2, 0.1, 1.0)
        made: list[int] = []
        until = time.monotonic() + 60
        while not versions(cluster, "scored") and time.monotonic() < until:
            time.sleep(0.05)
        for _ in range(KILLS):
            made.append(len(versions(cluster, "scored")))
            cluster.kill_at_random(1, 0.1, 0.4)
        print(f"outputs before each kill: {made} of {OBJECTS}")  # noqa: T201 - shown with -rP
        counted = [ended(cluster, "Processing", name) for name in ("counted-1", "counted-2")]
        scored = ended(cluster, "Transform", "scored")
        group = {"logGroupName": "/aws/sagemaker/ProcessingJobs", "logStreamNamePrefix": "counted-1/"}
        (stream,) = cluster.ask("logs", lambda logs: logs.describe_log_streams(**group))["logStreams"]
        read = {"logGroupName": group["logGroupName"], "logStreamName": stream["logStreamName"]}
        said = [event["message"] for event in cluster.ask("logs", lambda logs: logs.get_log_events(**read))["events"]]
        count = cluster.ask("s3", lambda s3: s3.get_object(Bucket=BUCKET, Key="counted-2/count")["Body"].read())
        last = cluster.ask("s3", lambda s3: s3.get_object(Bucket=BUCKET, Key="scored/39.csv.out")["Body"].read())

        assert [job["ProcessingJobStatus"] for job in counted] == ["Completed", "Completed"]
        assert (scored["TransformJobStatus"], scored.get("FailureReason")) == ("Completed", None)
        assert said == ["started", "ended"]
        assert int(count) == OBJECTS * ROWS
        assert versions(cluster, "scored") == {f"scored/{number:02}.csv.out": 1 for number in range(OBJECTS)}
        assert len(last.splitlines()) == ROWS
        assert cluster.said() == ""
