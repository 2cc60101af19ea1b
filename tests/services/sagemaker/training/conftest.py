"""A training job's world."""

import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Record
from salvia.services.sagemaker.training.job import TrainingJob
from tests import fakes
from tests.services.sagemaker.bench import JobBench


class Bench(JobBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, TrainingJob, request)
        self.objects.buckets["bucket"] |= {"in/train/a.csv": b"1,2\n", "in/train/b.csv": b"3,4\n"}

    async def running(self, name: str = "job") -> Record:
        return await self.until_in("Training", name)

    def tar(self, key: str) -> dict[str, bytes]:
        with tarfile.open(fileobj=BytesIO(self.objects.buckets["bucket"][key])) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]

    def modes(self, key: str) -> dict[str, int]:
        with tarfile.open(fileobj=BytesIO(self.objects.buckets["bucket"][key])) as tar:
            return {member.name: member.mode for member in tar.getmembers()}


def request(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": fakes.ROLE,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "InputDataConfig": [channel("train", "s3://bucket/in/train")],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def channel(name: str, uri: str, kind: str = "S3Prefix", **members: Any) -> dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": uri} | members.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | members


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
