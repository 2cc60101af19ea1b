"""What CreateProcessingJob takes, and what it says when it does not."""

from typing import Any

import pytest

from salvia.base.errors import AwsError, ValidationError
from salvia.services.sagemaker.processing.request import MEMBERS
from tests import fakes
from tests.services.sagemaker.processing.conftest import Bench, source, target

CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


def test_every_member_of_the_model_has_an_answer() -> None:
    model = fakes.MODELS.service("sagemaker").operation("CreateProcessingJob").input
    assert model is not None

    assert set(MEMBERS) == set(model.members)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ProcessingInputs": [source("a", "s3://bucket/in", "x", S3InputMode="Pipe")]}, "Pipe is not supported"),
        ({"ProcessingInputs": [source("a", "s3://bucket/in", "x", LocalPath="/data")]}, "begins with /opt/ml/processing/"),
        ({"ProcessingInputs": [source("a", "s3://bucket/in", "../../../etc")]}, "begins with /opt/ml/processing/"),
        ({"ProcessingInputs": [source("a", "s3://bucket/in", "x", LocalPath="")]}, "LocalPath is required"),
        ({"ProcessingInputs": [source("a", "s3://bucket/in", "x"), source("a", "s3://bucket/in", "y")]}, "InputName must be unique"),
        ({"ProcessingInputs": [source("a", "s3://bucket/in", "x"), source("b", "s3://bucket/in", "x/")]}, "LocalPath must be unique"),
        ({"ProcessingInputs": [{"InputName": "a"}]}, "exactly one of S3Input and DatasetDefinition"),
        ({"ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {"LocalPath": "/x"}}]}, "no Athena and no Redshift"),
        ({"ProcessingInputs": [source("a", "s3://bucket/none", "x")]}, 'No S3 objects found under S3 URL "s3://bucket/none"'),
        ({"ProcessingOutputConfig": {"Outputs": [target("a", "s3://none/out", "x")]}}, "the bucket none does not exist"),
        ({"ProcessingOutputConfig": {"Outputs": [{"OutputName": "a"}]}}, "an S3Output must be specified"),
        (
            {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "a", "FeatureStoreOutput": {"FeatureGroupName": "g"}}]}},
            "FeatureStoreOutput is not supported",
        ),
        ({"ProcessingResources": {"ClusterConfig": {"VolumeSizeInGB": 1}}}, "InstanceType is needed"),
        ({"ProcessingResources": {"ClusterConfig": CLUSTER | {"SelectedInstanceCount": 1}}}, "is read-only"),
        ({"ProcessingResources": {"ClusterConfig": CLUSTER | {"InstancePreferences": [{}]}}}, "InstancePreferences is not supported"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_in_words(bench: Bench, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        await bench.create(**changes)

    assert said in str(error.value)


async def test_a_role_that_may_not_write_the_output_is_refused(bench: Bench) -> None:
    bench.world.parts["refused"].add("PutObject out/-")

    with pytest.raises(ValidationError, match="s3:PutObject"):
        await bench.create()


async def test_a_second_job_of_the_name_is_refused_in_awss_words(bench: Bench) -> None:
    await bench.create()

    with pytest.raises(AwsError, match="Job name must be unique within an AWS account and region"):
        await bench.create()


async def test_a_job_that_is_not_there_is_a_validation_error_as_on_aws(bench: Bench) -> None:
    with pytest.raises(AwsError, match="Could not find requested job with name: none") as error:
        await bench.describe("none")

    assert error.value.code == "ValidationException"
