"""What CreateTrainingJob refuses beyond the model's own constraints, and that no member is left unspoken of."""

from typing import Any

import pytest

from salvia.base.errors import ValidationError
from salvia.services.sagemaker.training.request import MEMBERS, admitted
from tests.fakes import MODELS
from tests.services.sagemaker.training.conftest import channel, request


def test_every_member_of_the_model_behaves_is_recorded_or_is_refused() -> None:
    shape = MODELS.service("sagemaker").operation("CreateTrainingJob").input

    assert shape is not None
    assert set(MEMBERS) == set(shape.members)


AUGMENTED: dict[str, Any] = {"kind": "AugmentedManifestFile", "source": {"AttributeNames": ["x"]}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AlgorithmSpecification": None}, "either a TrainingImage or an AlgorithmName"),
        (
            {"AlgorithmSpecification": {"TrainingImage": "i", "AlgorithmName": "a", "TrainingInputMode": "File"}},
            "not both",
        ),
        ({"ResourceConfig": None}, "ResourceConfig is needed"),
        ({"ResourceConfig": {"InstanceCount": 1}}, "InstanceType is needed"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 0}}, "InstanceCount must be 1 or more"),
        (
            {"EnableNetworkIsolation": True, "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
            "EnableNetworkIsolation is not supported with 2 instances",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}},
            "only when EnableManagedSpotTraining",
        ),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds is required"),
        ({"InputDataConfig": [channel("a", "s3://b/k"), channel("a", "s3://b/k")]}, "Channel names must be unique"),
        ({"InputDataConfig": [channel("a", "s3://b/k", "AugmentedManifestFile")]}, "needs AttributeNames"),
        (
            {"InputDataConfig": [channel("a", "s3://b/k", **AUGMENTED, InputMode="FastFile")]},
            "not supported in FastFile mode",
        ),
        (
            {"InputDataConfig": [channel("a", "s3://b/k", InputMode="FastFile", CompressionType="Gzip")]},
            "FastFile mode shows objects as they are stored",
        ),
        (
            {"InputDataConfig": [channel("a", "s3://b/k", **AUGMENTED, ShuffleConfig={"Seed": 1})]},
            "can be shuffled in Pipe mode only",
        ),
        (
            {"InputDataConfig": [channel("a", "s3://b/k", InputMode="Pipe"), channel("a_12", "s3://b/k")]},
            "Channel a_12 has the name of a pipe of channel a",
        ),
        ({"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": "/tmp/ck"}}, "must be below /opt/ml/"),
        ({"ServerlessJobConfig": {"JobType": "FineTuning"}}, "ServerlessJobConfig is not supported"),
    ],
)
def test_a_rule_between_members_is_kept(change: dict[str, Any], words: str) -> None:
    asked = {name: value for name, value in (request("job") | change).items() if value is not None}

    with pytest.raises(ValidationError, match=words):
        admitted(asked)


def test_a_spot_job_that_waits_long_enough_is_admitted() -> None:
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
    }

    assert admitted(request("job") | spot)["EnableManagedSpotTraining"]
