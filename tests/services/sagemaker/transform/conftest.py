"""A transform job's world: a model whose containers answer as a test says."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.serving import ModelAnswer, ModelRequest
from salvia.ports.table import Record
from salvia.services.sagemaker.hosting.model import Model
from salvia.services.sagemaker.transform.job import TransformJob
from tests import fakes
from tests.services.sagemaker.bench import JobBench

Answer = Callable[[ModelRequest], ModelAnswer]


def doubled(request: ModelRequest) -> ModelAnswer:
    """One line for each line: twice its first number."""
    if request.method == "GET":
        return ModelAnswer(404)
    rows = [line for line in request.body.decode().split("\n") if line]
    return ModelAnswer(200, {}, "\n".join(str(2 * int(row.partition(",")[0])) for row in rows).encode())


class Bench(JobBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, TransformJob, request)
        self.serving: fakes.FakeServing = self.world.serving  # type: ignore[assignment]
        self.models = Model(self.world, fakes.MODELS.service("sagemaker"))
        self.world.kinds["Model"] = self.models
        self.answer: Answer = doubled
        self.objects.buckets["bucket"] |= {"in/a.csv": b"1,x\n2,y\n3,z\n", "in/deep/b.csv": b"4,x\n5,y\n"}

    async def model(self, name: str = "model", **changes: Any) -> None:
        asked = {"ModelName": name, "ExecutionRoleArn": fakes.ROLE, "PrimaryContainer": {"Image": "image"}} | changes
        await self.models.create(fakes.call("CreateModel", **asked))

    async def create(self, name: str = "job", **changes: Any) -> Record:
        if await self.world.table.get("Model", fakes.ACCOUNT, fakes.REGION, "model") is None:
            await self.model()
        return await super().create(name, **changes)

    async def launched(self, name: str = "job") -> Record:
        """The containers run, and are well."""
        found = await self.until_in("Transforming", name)
        for run in self.compute.launched:
            self.serving.handlers.setdefault(run.name, lambda request: self.answer(request))
        return found

    async def sent(self, name: str = "job") -> Record:
        """All that this server sends is sent, and the containers have ended as they were asked to."""
        await self.launched(name)
        await self.step(name)
        kind: TransformJob = self.kind  # type: ignore[assignment]
        await asyncio.gather(*kind.sendings.values())
        await self.step(name)
        for number in range(len(self.compute.launched)):
            self.compute.end(0, number=number)
        return await self.ended(name)

    def out(self, name: str) -> bytes | None:
        return self.objects.buckets["bucket"].get(f"out/{name}.out")

    def bodies(self) -> list[bytes]:
        return [asked.body for _, asked in self.serving.asked if asked.method == "POST"]


def request(name: str) -> dict[str, Any]:
    return {
        "TransformJobName": name,
        "ModelName": "model",
        "TransformInput": source(),
        "TransformOutput": {"S3OutputPath": "s3://bucket/out", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def source(uri: str = "s3://bucket/in", kind: str = "S3Prefix", **members: Any) -> dict[str, Any]:
    data = {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}
    return {"DataSource": data, "ContentType": "text/csv", "SplitType": "Line"} | members


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
