"""The unmodified boto3: what a training script reads from Pipe and FastFile channels."""

import gzip
import time
from typing import Any

import pytest

from tests.clients.test_boto3 import BUCKET, Cloud, cloud

__all__ = ["cloud"]

pytestmark = pytest.mark.slow

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"


def channel(name: str, prefix: str, **members: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | members


def test_a_script_reads_two_epochs_of_a_pipe_and_leaves_the_second_early(cloud: Cloud) -> None:
    for number in range(3):
        cloud.s3.put_object(Bucket=BUCKET, Key=f"piped/{number}.gz", Body=gzip.compress(b"%d\n" % number * 100_000))
    script = """cd /opt/ml/input/data; ls; sort -u train_0; head -n 2 train_1; uniq -c train_2"""
    job = cloud.ended(
        cloud.train(
            "pipe",
            script,
            InputDataConfig=[channel("train", "piped/", CompressionType="Gzip")],
            algorithm={"TrainingInputMode": "Pipe"},
        )
    )

    assert job["TrainingJobStatus"] == "Completed", job
    lines = [line.strip() for line in cloud.lines(job["TrainingJobName"])]
    assert lines == ["train_0", "0", "1", "2", "0", "0", "100000 0", "100000 1", "100000 2"]


def test_a_pipe_whose_data_cannot_be_read_fails_its_job(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket=BUCKET, Key="plain/rows.csv", Body=b"1,2\n")
    asked = channel("train", "plain/", CompressionType="Gzip", InputMode="Pipe")
    job = cloud.ended(cloud.train("gzip", "cat /opt/ml/input/data/train_0; sleep 60", InputDataConfig=[asked]))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "ClientError: Data download failed: channel train: one of its objects is not"
    )


def test_a_job_that_never_reads_its_pipe_ends_all_the_same(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket=BUCKET, Key="plain/rows.csv", Body=b"1,2\n")
    job = cloud.ended(cloud.train("unread", "true", InputDataConfig=[channel("train", "plain/", InputMode="Pipe")]))

    assert job["TrainingJobStatus"] == "Completed"


def test_fast_file_mode_shows_the_objects_read_only(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket=BUCKET, Key="plain/rows.csv", Body=b"1,2\n")
    script = "cat /opt/ml/input/data/train/rows.csv; touch /opt/ml/input/data/train/new || echo refused"
    job = cloud.ended(
        cloud.train(
            "fast", script, InputDataConfig=[channel("train", "plain/")], algorithm={"TrainingInputMode": "FastFile"}
        )
    )

    lines = cloud.lines(job["TrainingJobName"])
    assert (lines[0], lines[-1]) == ("1,2", "refused")


@pytest.mark.parametrize("mode", ["Pipe", "FastFile"])
def test_built_in_xgboost_trains_from_it(cloud: Cloud, mode: str) -> None:
    rows = "".join(f"{number % 2},{number % 2},{number % 7}\n" for number in range(200))
    for name in ("a", "b"):
        cloud.s3.put_object(Bucket=BUCKET, Key=f"rows/{name}.csv", Body=rows.encode())
    name = f"xgboost-{mode.lower()}-{time.time_ns():x}"
    cloud.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=cloud.role,
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": mode},
        HyperParameters={"num_round": "2", "objective": "binary:logistic"},
        InputDataConfig=[
            channel("train", "rows/", ContentType="text/csv"),
            channel("validation", "rows/", ContentType="text/csv", InputMode="File"),
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 120},
    )
    job = cloud.ended(name)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert any("Train matrix has 400 rows" in line for line in cloud.lines(name))
