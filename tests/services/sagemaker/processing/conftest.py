"""A processing job's world."""

from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Record
from salvia.services.sagemaker.processing.job import ProcessingJob
from tests import fakes
from tests.services.sagemaker.bench import JobBench


class Bench(JobBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ProcessingJob, request)
        self.objects.buckets["bucket"] |= {"in/a.csv": b"1\n", "in/b.csv": b"2\n", "code/run.py": b"print(1)"}

    async def running(self, name: str = "job") -> Record:
        return await self.until_in("Processing", name)


def request(name: str) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": fakes.ROLE,
        "AppSpecification": {
            "ImageUri": "image",
            "ContainerEntrypoint": ["python3", "/x.py"],
            "ContainerArguments": ["-a"],
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "ProcessingInputs": [source("data", "s3://bucket/in", "input")],
        "ProcessingOutputConfig": {"Outputs": [target("out", "s3://bucket/out", "output")]},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def source(name: str, uri: str, path: str, **members: Any) -> dict[str, Any]:
    """An input; `path` is below /opt/ml/processing."""
    whole = {"S3Uri": uri, "S3DataType": "S3Prefix", "LocalPath": f"/opt/ml/processing/{path}", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": whole | members}


def target(name: str, uri: str, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
    """An output; `path` is below /opt/ml/processing."""
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{path}", "S3UploadMode": mode},
    }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
