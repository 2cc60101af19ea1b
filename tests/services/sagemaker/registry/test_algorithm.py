"""Algorithms: what they admit, how they are validated, and what jobs that name them may ask for."""

from typing import Any

import pytest

from salvia.base.errors import AwsError, ValidationError
from salvia.services.sagemaker.registry.algorithm import MEMBERS
from tests import fakes
from tests.services.sagemaker.registry.conftest import JOB, TRAINING, TRANSFORM, Bench
from tests.services.sagemaker.training.conftest import channel

RULES: Any = TRAINING["SupportedHyperParameters"]


def validated(**profile: Any) -> dict[str, Any]:
    profiles = [{"ProfileName": "once", "TrainingJobDefinition": JOB, **profile}]
    return {"ValidationSpecification": {"ValidationRole": fakes.ROLE, "ValidationProfiles": profiles}}


async def statuses(bench: Bench) -> tuple[str, str, str]:
    """Of the algorithm; of its validation, and why that failed."""
    shown = await bench.ask("DescribeAlgorithm", AlgorithmName="trees")
    found = (shown["AlgorithmStatusDetails"].get("ValidationStatuses") or [{}])[0]
    return shown["AlgorithmStatus"], found.get("Status", ""), found.get("FailureReason", "")


def test_every_member_of_the_request_is_answered_for() -> None:
    asked = fakes.MODELS.service("sagemaker").operation("CreateAlgorithm").input
    assert asked is not None

    assert set(asked.members) == set(MEMBERS)


async def test_an_algorithm_is_pending_and_then_completed(bench: Bench) -> None:
    await bench.ask("CreateAlgorithm", AlgorithmName="Trees", TrainingSpecification=TRAINING)
    before = await statuses(bench)
    await bench.step("Algorithm")

    assert (before[0], (await statuses(bench))[0]) == ("Pending", "Completed")


async def test_it_is_found_by_its_arn_listed_and_deleted(bench: Bench) -> None:
    arn = await bench.algorithm()
    shown = await bench.ask("DescribeAlgorithm", AlgorithmName=arn)
    listed = await bench.ask("ListAlgorithms", NameContains="ree")
    await bench.ask("DeleteAlgorithm", AlgorithmName="Trees")

    assert shown["TrainingSpecification"] == TRAINING
    assert [each["AlgorithmName"] for each in listed["AlgorithmSummaryList"]] == ["Trees"]
    with pytest.raises(AwsError, match=r"Algorithm arn:.*:algorithm/trees does not exist"):
        await bench.ask("DescribeAlgorithm", AlgorithmName="trees")


async def test_a_name_is_taken(bench: Bench) -> None:
    await bench.algorithm()

    with pytest.raises(ValidationError, match="already exists"):
        await bench.algorithm()


async def test_a_training_job_runs_the_algorithms_image_with_its_defaults_and_metrics(bench: Bench) -> None:
    await bench.algorithm()
    await bench.train(HyperParameters={"goal": "x", "kind": "b"})
    await bench.ask("DeleteAlgorithm", AlgorithmName="trees")
    for _ in range(3):
        await bench.step("TrainingJob")

    shown = await bench.ask("DescribeTrainingJob", TrainingJobName="job")
    compute: Any = bench.world.compute
    (run,) = compute.launched
    assert run.variables["FROM_IMAGE"] == "1"
    assert shown["HyperParameters"] == {"depth": "3", "goal": "x", "kind": "b"}
    assert shown["AlgorithmSpecification"]["AlgorithmName"] == "trees"
    assert "TrainingImage" not in shown["AlgorithmSpecification"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"HyperParameters": {}}, "Hyperparameter goal is required by the algorithm Trees"),
        ({"HyperParameters": {"goal": "x", "other": "1"}}, "Hyperparameter other is not supported"),
        ({"HyperParameters": {"goal": "x", "depth": "10"}}, "depth .* must be an integer from 1 to 9: it is '10'"),
        ({"HyperParameters": {"goal": "x", "depth": "2.5"}}, "depth .* must be an integer"),
        ({"HyperParameters": {"goal": "x", "kind": "c"}}, "kind .* must be one of a, b"),
        ({"InputDataConfig": []}, "Channel train is required"),
        ({"InputDataConfig": [channel("other", "s3://bucket/in/train")]}, "Channel other is not supported"),
        (
            {"InputDataConfig": [channel("train", "s3://bucket/in/train", InputMode="Pipe")]},
            "Channel train: InputMode Pipe is not supported by the algorithm Trees: use one of File",
        ),
        (
            {"InputDataConfig": [channel("train", "s3://bucket/in/train", ContentType="text/libsvm")]},
            "ContentType text/libsvm is not supported",
        ),
        (
            {"InputDataConfig": [channel("train", "s3://bucket/in/train", CompressionType="Gzip")]},
            "CompressionType Gzip is not supported",
        ),
        ({"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}}, "ml.m5.xlarge is not supported"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
            "does not support distributed training",
        ),
        (
            {"AlgorithmSpecification": {"AlgorithmName": "none", "TrainingInputMode": "File"}},
            "Algorithm arn:.*:algorithm/none does not exist",
        ),
    ],
)
async def test_what_the_algorithm_does_not_support_is_refused(
    bench: Bench, changes: dict[str, Any], sentence: str
) -> None:
    await bench.algorithm()

    with pytest.raises(ValidationError, match=sentence):
        await bench.train(**changes)


async def test_a_tuning_job_tunes_the_algorithm_by_its_metric(bench: Bench) -> None:
    bench.world.parts["surrogate"] = None  # a random search asks none
    await bench.algorithm()
    await bench.tune()
    await bench.step("HyperParameterTuningJob")

    (trial,) = await bench.records("TrainingJob")
    assert trial.spec["AlgorithmSpecification"]["AlgorithmName"] == "trees"
    assert trial.spec["HyperParameters"]["goal"] == "x"
    assert 2 <= int(trial.spec["HyperParameters"]["depth"]) <= 8
    assert trial.spec["_algorithm"]["metrics"] == TRAINING["MetricDefinitions"]


async def test_what_is_tuned_must_be_tunable_and_its_objective_known(bench: Bench) -> None:
    await bench.algorithm()

    with pytest.raises(ValidationError, match="kind of the algorithm Trees is not tunable"):
        await bench.tune(tuned="kind")
    with pytest.raises(ValidationError, match="Choose a valid objective metric: Minimize loss"):
        await bench.tune(better="Maximize")


async def test_it_is_validated_by_a_training_job_and_a_transform_job(bench: Bench) -> None:
    await bench.algorithm(**validated(TransformJobDefinition=TRANSFORM))
    seen = [await statuses(bench)]
    with pytest.raises(ValidationError, match="its status is InProgress, and must be Completed"):
        await bench.train()
    with pytest.raises(AwsError, match="is being validated") as refused:
        await bench.ask("DeleteAlgorithm", AlgorithmName="trees")
    (job,) = await bench.records("TrainingJob")
    assert job.spec["HyperParameters"] == {"depth": "3", "goal": "x"}
    objects: Any = bench.world.objects
    objects.buckets["bucket"][f"out/{job.name}/output/model.tar.gz"] = b"tar"
    await bench.end("TrainingJob", "Completed")
    await bench.step("Algorithm")
    (model,) = await bench.records("Model")
    await bench.end("TransformJob", "Completed")
    await bench.step("Algorithm")
    seen.append(await statuses(bench))

    assert seen == [("InProgress", "InProgress", ""), ("Completed", "Completed", "")]
    assert refused.value.code == "ConflictException"
    assert model.spec["Containers"][0]["ModelDataUrl"] == f"s3://bucket/out/{job.name}/output/model.tar.gz"
    assert await bench.records("Model") == []


async def test_it_has_failed_when_its_training_job_fails(bench: Bench) -> None:
    await bench.algorithm(**validated())
    await bench.end("TrainingJob", "Failed", FailureReason="AlgorithmError: no")
    await bench.step("Algorithm")

    state, found, reason = await statuses(bench)
    assert (state, found) == ("Failed", "Failed")
    assert reason.endswith("AlgorithmError: no")


async def test_it_has_failed_when_its_training_job_is_refused(bench: Bench) -> None:
    nowhere = JOB | {"InputDataConfig": [channel("train", "s3://none/in", ContentType="text/csv")]}
    refused: Any = bench.world.parts["refused"]
    refused.add("ListObjectsV2 in")
    await bench.algorithm(**validated(TrainingJobDefinition=nowhere))

    state, _, reason = await statuses(bench)
    assert state == "Failed"
    assert reason.startswith("ClientError: ")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TrainingImage": "unknown"}, "Requested image unknown not found"),
        ({"TrainingChannels": TRAINING["TrainingChannels"] * 2}, "unique in TrainingChannels: train, test"),  # type: ignore[operator]
        ({"SupportedHyperParameters": [RULES[0] | {"IsRequired": True}]}, "has a DefaultValue: it cannot be required"),
        (
            {"SupportedHyperParameters": [RULES[0] | {"DefaultValue": "0"}]},
            "DefaultValue '0' .* must be an integer from 1",
        ),
        (
            {"SupportedHyperParameters": [RULES[0] | {"Type": "Continuous"}]},
            "is Continuous: its Range cannot be an Integer",
        ),
        ({"SupportedHyperParameters": [RULES[1] | {"IsTunable": True}]}, "goal is FreeText: it cannot be tunable"),
        (
            {"SupportedTuningJobObjectiveMetrics": [{"MetricName": "x", "Type": "Minimize"}]},
            "x is not among the Metric",
        ),
        (
            {"AdditionalS3DataSource": {"S3DataType": "S3Object", "S3Uri": "s3://b/k"}},
            "AdditionalS3DataSource is not supp",
        ),
    ],
)
async def test_what_cannot_be_an_algorithm_is_refused(bench: Bench, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        await bench.algorithm(TrainingSpecification=TRAINING | changes)


async def test_a_profile_that_the_algorithm_does_not_support_is_refused(bench: Bench) -> None:
    with pytest.raises(ValidationError, match="goal is required"):
        await bench.algorithm(**validated(TrainingJobDefinition=JOB | {"HyperParameters": {}}))
