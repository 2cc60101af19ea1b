"""The unmodified aws CLI: create, wait, describe, list and follow the log."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

V2 = Path("/usr/bin/aws")
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


@pytest.mark.skipif(
    not V2.exists(), reason="`aws logs tail` is of version 2 of the aws CLI, which is not on PyPI: apt install awscli"
)
def test_logs_tail_follows_what_the_job_prints(awscli: Client) -> None:
    train(awscli, "cli-logs", "echo first; sleep 3; echo last")
    version2 = Client(V2.parent, awscli.variables)
    follow = ("logs", "tail", "/aws/sagemaker/TrainingJobs", "--log-stream-name-prefix", "cli-logs/", "--follow")
    shown = subprocess.Popen([V2, *follow], env=dict(version2.variables), stdout=subprocess.PIPE, text=True)
    assert shown.stdout is not None
    lines = [shown.stdout.readline() for _ in range(2)]
    shown.terminate()
    shown.communicate()

    assert [line.split()[-1] for line in lines] == ["first", "last"]


def test_a_missing_job_is_told_as_aws_tells_it(awscli: Client) -> None:
    refused = awscli.run("aws", "sagemaker", "describe-training-job", "--training-job-name", "none", check=False)

    assert refused.returncode != 0
    assert "An error occurred (ValidationException) when calling the DescribeTrainingJob operation" in refused.stderr
