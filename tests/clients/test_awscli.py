"""The unmodified aws CLI: create, wait, describe, list and follow the log."""

import json
from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

IMAGE = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"


def aws(client: Client, *arguments: str) -> Any:
    said = client.run("aws", *arguments, "--output", "json").stdout
    return json.loads(said) if said.strip() else None


def train(client: Client, name: str, script: str) -> str:
    account = aws(client, "sts", "get-caller-identity")["Account"]
    client.run("aws", "s3", "mb", "s3://cli-tests", check=False)
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c"],
        "ContainerArguments": [script],
    }
    created = aws(
        client,
        "sagemaker",
        "create-training-job",
        *("--training-job-name", name),
        *("--role-arn", f"arn:aws:iam::{account}:role/SalviaExecutionRole"),
        *("--algorithm-specification", json.dumps(algorithm)),
        *("--resource-config", "InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1"),
        *("--output-data-config", "S3OutputPath=s3://cli-tests/out"),
        *("--stopping-condition", "MaxRuntimeInSeconds=60"),
    )
    return str(created["TrainingJobArn"])


def test_a_job_is_created_waited_for_and_described(awscli: Client) -> None:
    arn = train(awscli, "cli-ok", "echo done")
    awscli.run(
        "aws", "sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", "cli-ok", timeout=60
    )
    job = aws(awscli, "sagemaker", "describe-training-job", "--training-job-name", "cli-ok")

    assert (job["TrainingJobStatus"], job["TrainingJobArn"]) == ("Completed", arn)


def test_logs_tail_shows_what_the_job_printed(awscli: Client) -> None:
    train(awscli, "cli-logs", "echo from the job")
    awscli.run(
        "aws", "sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", "cli-logs", timeout=60
    )
    shown = awscli.run(
        "aws", "logs", "tail", "/aws/sagemaker/TrainingJobs", "--log-stream-name-prefix", "cli-logs/"
    ).stdout

    assert "from the job" in shown


def test_a_missing_job_is_told_as_aws_tells_it(awscli: Client) -> None:
    refused = awscli.run("aws", "sagemaker", "describe-training-job", "--training-job-name", "none", check=False)

    assert refused.returncode != 0
    assert "An error occurred (ValidationException) when calling the DescribeTrainingJob operation" in refused.stderr
