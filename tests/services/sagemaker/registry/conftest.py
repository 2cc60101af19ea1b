"""A registry's world: the nouns that use it are real, and their jobs end when told to."""

from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Query, Record
from salvia.services.sagemaker.hosting.model import Model
from salvia.services.sagemaker.registry.algorithm import Algorithm
from salvia.services.sagemaker.registry.group import ModelPackageGroup
from salvia.services.sagemaker.registry.package import ModelPackage
from salvia.services.sagemaker.training.job import TrainingJob
from salvia.services.sagemaker.transform.job import TransformJob
from salvia.services.sagemaker.tuning.job import HyperParameterTuningJob
from tests import fakes
from tests.services.sagemaker.training.conftest import channel

KINDS = (HyperParameterTuningJob, TrainingJob, TransformJob, Model, Algorithm, ModelPackageGroup, ModelPackage)
TRAINING = {
    "TrainingImage": "image",
    "SupportedTrainingInstanceTypes": ["ml.m5.large"],
    "SupportsDistributedTraining": False,
    "SupportedHyperParameters": [
        {
            "Name": "depth",
            "Type": "Integer",
            "IsTunable": True,
            "DefaultValue": "3",
            "Range": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "9"}},
        },
        {"Name": "goal", "Type": "FreeText", "IsRequired": True},
        {
            "Name": "kind",
            "Type": "Categorical",
            "Range": {"CategoricalParameterRangeSpecification": {"Values": ["a", "b"]}},
        },
    ],
    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    "SupportedTuningJobObjectiveMetrics": [{"MetricName": "loss", "Type": "Minimize"}],
    "TrainingChannels": [
        {
            "Name": "train",
            "IsRequired": True,
            "SupportedContentTypes": ["text/csv"],
            "SupportedInputModes": ["File"],
            "SupportedCompressionTypes": ["None"],
        },
        {"Name": "test", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File", "Pipe"]},
    ],
}
INFERENCE = {
    "Containers": [{"Image": "image", "Environment": {"A": "1", "B": "2"}, "ModelDataUrl": "s3://bucket/model.tar.gz"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}
TRANSFORM = {
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in/train"}}},
    "TransformOutput": {"S3OutputPath": "s3://bucket/out"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}
JOB = {
    "TrainingInputMode": "File",
    "HyperParameters": {"goal": "x"},
    "InputDataConfig": [channel("train", "s3://bucket/in/train", ContentType="text/csv")],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.world = fakes.world(folder, "bucket")
        model = fakes.MODELS.service("sagemaker")
        self.world.kinds = {kind.noun: kind(self.world, model) for kind in KINDS}
        objects: fakes.FakeObjects = self.world.objects  # type: ignore[assignment]
        objects.buckets["bucket"] |= {"in/train/a.csv": b"1,2\n", "model.tar.gz": b"tar"}

    async def ask(self, operation: str, **params: Any) -> Any:
        for kind in self.world.kinds.values():
            if operation in kind.operations():
                return await kind.operations()[operation](fakes.call(operation, **params))
        raise AssertionError(operation)

    async def records(self, noun: str) -> list[Record]:
        return await self.world.table.select(Query(noun, fakes.ACCOUNT, fakes.REGION))

    async def step(self, noun: str) -> None:
        """One reconcile of every record of a noun, saved as the loop saves it."""
        for record in await self.records(noun):
            await self.world.kinds[noun].reconcile(record)
            await self.world.table.save_fact(record, "worker")

    async def end(self, noun: str, state: str, **status: Any) -> None:
        """The only record of a noun ends."""
        (record,) = await self.records(noun)
        record.state, record.status = state, record.status | status
        await self.world.table.save_fact(record, "worker")

    async def algorithm(self, **changes: Any) -> str:
        asked = {"AlgorithmName": "Trees", "TrainingSpecification": TRAINING, "InferenceSpecification": INFERENCE}
        arn = (await self.ask("CreateAlgorithm", **(asked | changes)))["AlgorithmArn"]
        await self.step("Algorithm")
        return str(arn)

    async def package(self, **changes: Any) -> str:
        asked = {"ModelPackageName": "p", "InferenceSpecification": INFERENCE} | changes
        kept = {name: value for name, value in asked.items() if value is not None}
        arn = (await self.ask("CreateModelPackage", **kept))["ModelPackageArn"]
        await self.step("ModelPackage")
        return str(arn)

    async def version(self, group: str = "group", **changes: Any) -> str:
        return await self.package(**({"ModelPackageName": None, "ModelPackageGroupName": group} | changes))

    async def train(self, **changes: Any) -> Any:
        asked = {name: value for name, value in JOB.items() if name != "TrainingInputMode"} | {
            "TrainingJobName": "job",
            "RoleArn": fakes.ROLE,
            "AlgorithmSpecification": {"AlgorithmName": "trees", "TrainingInputMode": "File"},
        }
        return await self.ask("CreateTrainingJob", **(asked | changes))

    async def tune(self, *, tuned: str = "depth", better: str = "Minimize") -> Any:
        limits = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
        ranges = {"IntegerParameterRanges": [{"Name": tuned, "MinValue": "2", "MaxValue": "8"}]}
        job = {name: value for name, value in JOB.items() if name not in {"TrainingInputMode", "HyperParameters"}} | {
            "RoleArn": fakes.ROLE,
            "AlgorithmSpecification": {"AlgorithmName": "trees", "TrainingInputMode": "File"},
            "StaticHyperParameters": {"goal": "x"},
        }
        config = {
            "Strategy": "Random",
            "ResourceLimits": limits,
            "ParameterRanges": ranges,
            "HyperParameterTuningJobObjective": {"MetricName": "loss", "Type": better},
        }
        return await self.ask(
            "CreateHyperParameterTuningJob",
            HyperParameterTuningJobName="tuning",
            HyperParameterTuningJobConfig=config,
            TrainingJobDefinition=job,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
