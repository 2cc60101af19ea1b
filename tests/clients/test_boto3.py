"""The unmodified boto3: training jobs from Create to Delete, through every verb of the noun."""

import io
import json
import tarfile
import time
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

pytestmark = pytest.mark.slow

PYTHON = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
BUCKET = "boto3-tests"


class Cloud:
    """boto3 clients that see only what `salvia env` says."""

    def __init__(self, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        self.session = boto3.Session(region_name="us-west-2")
        self.sagemaker = self.client("sagemaker")
        self.s3 = self.client("s3")
        self.logs = self.client("logs")
        account = self.client("sts").get_caller_identity()["Account"]
        self.role = f"arn:aws:iam::{account}:role/SalviaExecutionRole"

    def client(self, name: str) -> Any:
        return self.session.client(name, config=Config(retries={"max_attempts": 0}))  # type: ignore[call-overload]

    def train(self, name: str, script: str, **changes: Any) -> str:
        """A job that runs `script` with sh."""
        algorithm = {
            "TrainingImage": PYTHON,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": [script],
        } | changes.pop("algorithm", {})
        unique = f"{name}-{time.time_ns():x}"
        self.sagemaker.create_training_job(
            **{
                "TrainingJobName": unique,
                "RoleArn": self.role,
                "AlgorithmSpecification": algorithm,
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            }
            | changes
        )
        return unique

    def ended(self, name: str) -> dict[str, Any]:
        for _ in range(600):
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
                return job
            time.sleep(0.1)
        raise AssertionError(f"never ended: {job['SecondaryStatusTransitions']}")

    def running(self, name: str) -> None:
        for _ in range(600):
            if self.sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training":
                return
            time.sleep(0.05)
        raise AssertionError("never ran")

    def lines(self, name: str) -> list[str]:
        group = "/aws/sagemaker/TrainingJobs"
        streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        pages = [
            self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
            for stream in streams
        ]
        return [event["message"] for page in pages for event in page["events"]]


@pytest.fixture
def cloud(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud(environment, monkeypatch)
    if BUCKET not in {bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]}:
        cloud.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return cloud


def test_a_job_runs_and_leaves_its_model(cloud: Cloud) -> None:
    job = cloud.ended(
        cloud.train("ok", "echo hello; echo weights > /opt/ml/model/w; cat /opt/ml/input/config/resourceconfig.json")
    )
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    data = cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    assert job["TrainingJobStatus"] == "Completed", job
    with tarfile.open(fileobj=io.BytesIO(data)) as model:
        assert model.getnames() == ["w"]
    assert cloud.lines(job["TrainingJobName"])[0] == "hello"


def test_the_waiter_ends_with_the_job_and_not_half_a_minute_later(cloud: Cloud) -> None:
    name = cloud.train("waited", "sleep 1")
    started = time.monotonic()
    cloud.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)

    assert time.monotonic() - started < 15


def test_the_waiter_raises_for_a_job_that_fails(cloud: Cloud) -> None:
    name = cloud.train("fails", "echo it broke >&2; exit 3")

    with pytest.raises(WaiterError):
        cloud.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
    assert cloud.ended(name)["FailureReason"] == "AlgorithmError: it broke, exit code: 3"


def test_stop_lets_the_job_clean_up_and_keeps_what_it_left(cloud: Cloud) -> None:
    name = cloud.train(
        "stops", "trap 'echo half > /opt/ml/model/m; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    )
    cloud.running(name)
    while "ready" not in cloud.lines(name):
        time.sleep(0.05)
    cloud.sagemaker.stop_training_job(TrainingJobName=name)
    job = cloud.ended(name)

    assert job["TrainingJobStatus"] == "Stopped"
    assert cloud.s3.head_object(Bucket=BUCKET, Key=f"out/{name}/output/model.tar.gz")["ContentLength"]


def test_a_job_that_runs_too_long_is_stopped(cloud: Cloud) -> None:
    job = cloud.ended(cloud.train("late", "sleep 60", StoppingCondition={"MaxRuntimeInSeconds": 1}))

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_an_unknown_image_fails_with_what_to_do(cloud: Cloud) -> None:
    name = cloud.train(
        "unknown", "true", algorithm={"TrainingImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/mine:1"}
    )
    reason = cloud.ended(name)["FailureReason"]

    assert "mine:1" in reason


def test_the_pages_of_a_list_are_the_whole_list(cloud: Cloud) -> None:
    names = {cloud.train(f"page{number}", "true") for number in range(3)}
    pages = cloud.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="page", PaginationConfig={"PageSize": 2}
    )
    found = [summary["TrainingJobName"] for page in pages for summary in page["TrainingJobSummaries"]]

    assert names <= set(found)
    assert len(found) == len(set(found))


def test_search_finds_by_tag(cloud: Cloud) -> None:
    name = cloud.train("tagged", "true", Tags=[{"Key": "team", "Value": "blue"}])
    filters = [{"Name": "Tags.team", "Operator": "Equals", "Value": "blue"}]
    found = cloud.sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})["Results"]

    assert [result["TrainingJob"]["TrainingJobName"] for result in found] == [name]


def test_metrics_of_the_log_reach_describe_and_cloudwatch(cloud: Cloud) -> None:
    definition = {"Name": "loss", "Regex": "loss=([0-9.]+)"}
    job = cloud.ended(
        cloud.train("metric", "echo loss=0.5; echo loss=0.25", algorithm={"MetricDefinitions": [definition]})
    )

    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.25)]


def test_delete_removes_a_job_that_ended(cloud: Cloud) -> None:
    name = cloud.ended(cloud.train("gone", "true"))["TrainingJobName"]
    cloud.sagemaker.delete_training_job(TrainingJobName=name)

    with pytest.raises(ClientError, match="Requested resource not found"):
        cloud.sagemaker.describe_training_job(TrainingJobName=name)


def test_bad_input_is_refused_in_awss_words(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.train("bad", "true", TrainingJobName="not_a_name!")

    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern" in str(
        refused.value
    )


def test_two_instances_see_each_other(cloud: Cloud) -> None:
    script = (
        "if [ $CURRENT_HOST = algo-1 ]; then python3 -c \"import socket;s=socket.create_server(('algo-1',7001));"
        "c=s.accept()[0];print('got',c.recv(9).decode())\"; else sleep 1; python3 -c \"import socket;"
        "socket.create_connection(('algo-1',7001)).send(b'hi')\"; fi"
    )
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    job = cloud.ended(cloud.train("pair", script, ResourceConfig=resources))

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "got hi" in cloud.lines(job["TrainingJobName"])


def test_a_job_speaks_to_the_api_as_its_role(cloud: Cloud) -> None:
    name = cloud.train("role", "env | grep -c AWS_SESSION_TOKEN; env | grep AWS_ENDPOINT_URL")

    assert cloud.ended(name)["TrainingJobStatus"] == "Completed"
    assert json.dumps(cloud.lines(name)).count("AWS_ENDPOINT_URL=http://127.0.0.1") == 1
