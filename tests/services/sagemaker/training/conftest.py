"""A training job's world: one bucket with data, a clock that stands still, runs that end when told to."""

import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.training.job import TrainingJob
from tests import fakes


class Bench:
    """Drives one TrainingJob kind by hand: create, step, look."""

    def __init__(self, folder: Path) -> None:
        self.world: World = fakes.world(folder, "bucket")
        self.objects: fakes.FakeObjects = self.world.objects  # type: ignore[assignment]
        self.compute: fakes.FakeCompute = self.world.compute  # type: ignore[assignment]
        self.images: fakes.FakeImages = self.world.images  # type: ignore[assignment]
        self.clock = self.compute.clock
        self.kind = TrainingJob(self.world, fakes.MODELS.service("sagemaker"))
        self.world.kinds = {"TrainingJob": self.kind}
        self.objects.buckets["bucket"] |= {"in/train/a.csv": b"1,2\n", "in/train/b.csv": b"3,4\n"}

    async def create(self, name: str = "job", **changes: Any) -> Record:
        await self.kind.create(fakes.call("CreateTrainingJob", **(request(name) | changes)))
        return await self.record(name)

    async def record(self, name: str = "job") -> Record:
        found = await self.world.table.get("TrainingJob", fakes.ACCOUNT, fakes.REGION, name)
        assert found is not None
        return found

    async def step(self, name: str = "job") -> float | None:
        """One reconcile, saved as the loop saves it."""
        record = await self.record(name)
        delay = await self.kind.reconcile(record)
        record.due = None if delay is None else self.clock.now() + delay
        await self.world.table.save_fact(record, "worker")
        return delay

    async def until(self, condition: Callable[[Record], bool], name: str = "job") -> Record:
        for _ in range(20):
            record = await self.record(name)
            if condition(record):
                return record
            await self.step(name)
        raise AssertionError(f"never came: {record.state} {record.status}")

    async def running(self, name: str = "job") -> Record:
        return await self.until(lambda job: job.status.get("SecondaryStatus") == "Training", name)

    async def ended(self, name: str = "job") -> Record:
        return await self.until(lambda job: job.state != "InProgress", name)

    async def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(await self.kind.describe(fakes.call("DescribeTrainingJob", TrainingJobName=name)))  # type: ignore[arg-type]

    def ml(self, number: int = -1) -> Path:
        return self.compute.folder(self.compute.launched[number].name)

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
