"""A tuning job's world: training jobs that are made for real and end when told to, with a value of the objective or without."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.surrogate import Observations, Suggestion
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.sagemaker.training.job import TrainingJob
from salvia.services.sagemaker.tuning.job import HyperParameterTuningJob
from tests import fakes

IMAGE = "image"
METRIC = "loss"


class FakeSurrogate:
    """Suggests the middle, and remembers what it was told."""

    def __init__(self) -> None:
        self.asked: list[Observations] = []

    async def suggest(self, known: Observations) -> Suggestion:
        self.asked.append(known)
        return Suggestion([0.5] * len(known.dimensions), {"mean": 1.0, "deviation": 0.5, "best": 0.0})

    async def importance(self, known: Observations) -> Sequence[float]:
        return [0.25] * len(known.dimensions)

    async def close(self) -> None:
        pass


class FakeMetricData:
    def __init__(self) -> None:
        self.series: dict[str, list[float]] = {}

    async def observations(self, key: MetricKey, start: float, end: float) -> Sequence[Observation]:
        values = self.series.get(key.dimensions[0][1], [])
        return [Observation(number, "None", 1, value, value, value) for number, value in enumerate(values)]


class Bench:
    """Drives one tuning job by hand: create, step, and end its training jobs."""

    def __init__(self, folder: Path) -> None:
        self.world: World = fakes.world(folder, "bucket")
        objects: fakes.FakeObjects = self.world.objects  # type: ignore[assignment]
        objects.buckets["bucket"]["in/train/a.csv"] = b"1,2\n"
        self.surrogate, self.metric_data = FakeSurrogate(), FakeMetricData()
        self.world.parts |= {"surrogate": self.surrogate, "metric_data": self.metric_data}
        model = fakes.MODELS.service("sagemaker")
        self.kind = HyperParameterTuningJob(self.world, model)
        self.world.kinds = {"TrainingJob": TrainingJob(self.world, model), self.kind.noun: self.kind}
        self.clock: Any = self.world.clock

    async def create(self, name: str = "tune", definition: dict[str, Any] | None = None, **changes: Any) -> Record:
        asked = request(name) | changes
        if definition:
            asked["TrainingJobDefinition"] = asked["TrainingJobDefinition"] | definition
        await self.kind.create(fakes.call("CreateHyperParameterTuningJob", **asked))
        return await self.record(name)

    async def record(self, name: str = "tune") -> Record:
        found = await self.world.table.get(self.kind.noun, fakes.ACCOUNT, fakes.REGION, name)
        assert found is not None
        return found

    async def step(self, name: str = "tune") -> Record:
        """One reconcile, saved as the loop saves it."""
        record = await self.record(name)
        delay = await self.kind.reconcile(record)
        record.due = None if delay is None else self.clock.now() + delay
        await self.world.table.save_fact(record, "worker")
        return await self.record(name)

    async def jobs(self) -> list[Record]:
        query = Query("TrainingJob", fakes.ACCOUNT, fakes.REGION, sort="name", descending=False)
        return await self.world.table.select(query)

    async def running(self) -> list[Record]:
        return [job for job in await self.jobs() if job.state == "InProgress"]

    async def end(self, job: Record, value: float | None = None, state: str = "Completed") -> None:
        latest = await self.world.table.get("TrainingJob", job.account, job.region, job.key)
        assert latest is not None
        latest.state = state
        latest.status |= {"TrainingStartTime": self.clock.now(), "TrainingEndTime": self.clock.now() + 10}
        if value is not None:
            latest.status["FinalMetricDataList"] = [{"MetricName": METRIC, "Value": value, "Timestamp": 0.0}]
        await self.world.table.save_fact(latest, "worker")
        self.clock.advance(1)

    async def run(self, value: Callable[[dict[str, str]], float | None], name: str = "tune") -> Record:
        """To the end: every training job completes with the value of its hyperparameters."""
        for _ in range(200):
            tuning = await self.step(name)
            if tuning.state != "InProgress":
                return tuning
            for job in await self.running():
                found = value(job.spec["HyperParameters"])
                await self.end(job, found, "Completed" if found is not None else "Failed")
        raise AssertionError("it never ended")

    async def describe(self, name: str = "tune") -> dict[str, Any]:
        return dict(await self.kind.describe(fakes.call("Describe", HyperParameterTuningJobName=name)))  # type: ignore[arg-type]


def request(name: str = "tune") -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config(),
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"steps": "3"},
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": METRIC, "Regex": "loss=([0-9.]+)"}],
            },
            "RoleArn": fakes.ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }


def config(strategy: str = "Random", jobs: int = 6, parallel: int = 2, **changes: Any) -> dict[str, Any]:
    return {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel},
        "ParameterRanges": ranges(rate=("0.1", "0.9")),
        "RandomSeed": 7,
    } | changes


def ranges(kind: str = "Continuous", scaling: str = "Auto", **bounds: tuple[str, str]) -> dict[str, Any]:
    found = [
        {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}
        for name, (low, high) in bounds.items()
    ]
    return {f"{kind}ParameterRanges": found}


def categories(**values: list[str]) -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": name, "Values": given} for name, given in values.items()]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
