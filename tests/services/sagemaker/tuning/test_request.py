"""What CreateHyperParameterTuningJob refuses, and with which words."""

from typing import Any

import pytest

from salvia.base.errors import AwsError, LimitExceeded, ValidationError
from salvia.services.sagemaker.tuning.request import admitted, definitions_of
from tests.services.sagemaker.tuning.conftest import METRIC, Bench, categories, config, ranges, request

HYPERBAND = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}


def refusal(tuning: dict[str, Any] | None = None, definition: dict[str, Any] | None = None, **changes: Any) -> AwsError:
    asked = request() | changes
    if tuning is not None:
        asked["HyperParameterTuningJobConfig"] = tuning
    if definition is not None:
        asked["TrainingJobDefinition"] = asked["TrainingJobDefinition"] | definition
    with pytest.raises(AwsError) as raised:
        admitted(asked)
    return raised.value


@pytest.mark.parametrize(
    ("tuning", "words"),
    [
        (
            config(ParameterRanges=ranges(x=("a", "1"))),
            "MinValue 'a' of the continuous hyperparameter x is not a number",
        ),
        (
            config(ParameterRanges=ranges(x=("0", "inf"))),
            "MaxValue 'inf' of the continuous hyperparameter x is not a number",
        ),
        (config(ParameterRanges=ranges("Integer", x=("1", "2.5"))), "MaxValue '2.5' of the integer hyperparameter x"),
        (config(ParameterRanges=ranges(x=("2", "1"))), "MinValue 2 of the hyperparameter x must not be larger"),
        (config(ParameterRanges=ranges(scaling="Logarithmic", x=("0", "1"))), "only values greater than 0"),
        (
            config(ParameterRanges=ranges("Integer", "ReverseLogarithmic", x=("0", "1"))),
            "not supported for the integer",
        ),
        (config(ParameterRanges=ranges(scaling="ReverseLogarithmic", x=("0", "1"))), "0 <= x < 1.0"),
        (config(ParameterRanges=ranges(x=("0", "1")) | categories(x=["a"])), "duplicate names: [x]"),
        (config(ParameterRanges=categories(x=["a", "a"])), "duplicate values"),
        (config(ParameterRanges=ranges(steps=("0", "1"))), "[steps] are both static and tunable"),
        (config(ParameterRanges={}), "At least one hyperparameter range is needed"),
        (config("Grid"), "Grid search supports only categorical hyperparameter ranges"),
        (
            config("Grid", 3, ParameterRanges=categories(x=["a", "b"])),
            "must be equal to the number of combinations of the categorical values, 2",
        ),
        (config("Hyperband"), "MaxResource is required in HyperbandStrategyConfig"),
        (
            config("Hyperband", StrategyConfig=HYPERBAND, TrainingJobEarlyStoppingType="Auto"),
            "must be Off when the strategy is Hyperband",
        ),
        (config(StrategyConfig=HYPERBAND), "only when the Strategy is Hyperband"),
        (config(jobs=2, parallel=3), "MaxParallelTrainingJobs 3 must not be larger than MaxNumberOfTrainingJobs 2"),
        (
            config(ResourceLimits={"MaxParallelTrainingJobs": 1}),
            "needs MaxNumberOfTrainingJobs, MaxRuntimeInSeconds or both",
        ),
        (
            config(ParameterRanges={"AutoParameters": [{"Name": "x", "ValueHint": "1"}]}),
            "only when Autotune is enabled",
        ),
    ],
)
def test_what_makes_no_sense_is_named(tuning: dict[str, Any], words: str) -> None:
    error = refusal(tuning)

    assert isinstance(error, ValidationError)
    assert words in error.message


@pytest.mark.parametrize(
    "tuning",
    [
        config(jobs=751, strategy="Bayesian"),
        config(jobs=10_001),
        config(jobs=200, parallel=101),
        config(ParameterRanges=categories(**{f"x{number}": ["a"] for number in range(31)})),
    ],
)
def test_quotas_are_aws_s(tuning: dict[str, Any]) -> None:
    assert isinstance(refusal(tuning), LimitExceeded)


def test_random_search_may_have_ten_thousand_training_jobs() -> None:
    assert admitted(request() | {"HyperParameterTuningJobConfig": config(jobs=10_000)})


def test_an_objective_is_needed() -> None:
    without = config()
    del without["HyperParameterTuningJobObjective"]

    assert "HyperParameterTuningJobObjective is required" in refusal(without).message


def test_there_is_one_definition_or_there_are_several() -> None:
    one = request()["TrainingJobDefinition"]

    assert "exactly one of" in refusal(TrainingJobDefinitions=[one]).message


def several(*names: str) -> dict[str, Any]:
    own = {
        "TuningObjective": {"Type": "Minimize", "MetricName": METRIC},
        "HyperParameterRanges": ranges(rate=("0", "1")),
    }
    asked = request()
    one = asked.pop("TrainingJobDefinition")
    tuning = config()
    del tuning["ParameterRanges"], tuning["HyperParameterTuningJobObjective"]
    return asked | {
        "HyperParameterTuningJobConfig": tuning,
        "TrainingJobDefinitions": [one | own | {"DefinitionName": name} for name in names],
    }


def test_several_definitions_have_their_own_ranges_and_objectives() -> None:
    spec = admitted(several("a", "b"))

    assert [(each.name, each.objective["MetricName"], len(each.ranges)) for each in definitions_of(spec)] == [
        ("a", METRIC, 1),
        ("b", METRIC, 1),
    ]


def test_definitions_have_different_names() -> None:
    with pytest.raises(ValidationError, match="DefinitionName must be unique"):
        admitted(several("a", "a"))


def test_several_definitions_neither_stop_early_nor_start_warm() -> None:
    asked = several("a", "b")
    warm = {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": []}

    with pytest.raises(ValidationError, match="WarmStartConfig is not supported"):
        admitted(asked | {"WarmStartConfig": warm})
    asked["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] = "Auto"
    with pytest.raises(ValidationError, match="Auto is not supported with TrainingJobDefinitions"):
        admitted(asked)


def test_max_resource_is_read_from_the_number_of_epochs() -> None:
    asked = request() | {"HyperParameterTuningJobConfig": config("Hyperband")}
    asked["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": '"27"'}

    assert admitted(asked)


def test_a_grid_is_as_large_as_its_product() -> None:
    tuning = config("Grid", ParameterRanges=categories(x=["a", "b"], y=["c", "d", "e"]))
    del tuning["ResourceLimits"]["MaxNumberOfTrainingJobs"]

    spec = admitted(request() | {"HyperParameterTuningJobConfig": tuning})

    assert spec["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6


def test_autotune_makes_ranges_of_hints() -> None:
    hints = [("rate", "0.1"), ("depth", "6"), ("shift", "0"), ("kind", '"fast"')]
    automatic = {"AutoParameters": [{"Name": name, "ValueHint": hint} for name, hint in hints]}

    spec = admitted(
        request()
        | {"HyperParameterTuningJobConfig": config(ParameterRanges=automatic), "Autotune": {"Mode": "Enabled"}}
    )

    assert {each.name: (each.kind, each.low, each.high) for each in definitions_of(spec)[0].ranges} == {
        "depth": ("Integer", 1, 60),
        "shift": ("Integer", -1, 1),
        "rate": ("Continuous", 0.01, 1.0),
        "kind": ("Categorical", 0, 0),
    }


async def test_a_training_job_that_could_never_be_made_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(ValidationError, match="S3OutputPath: the bucket elsewhere does not exist"):
        await bench.create(definition={"OutputDataConfig": {"S3OutputPath": "s3://elsewhere/out"}})


async def test_an_image_of_no_known_metrics_needs_metric_definitions(bench: Bench) -> None:
    with pytest.raises(ValidationError, match="A metric is required for this hyperparameter tuning job objective"):
        await bench.create(
            definition={"AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"}}
        )


def test_the_first_of_several_instance_types_is_used_and_shown() -> None:
    asked = request()
    one = asked["TrainingJobDefinition"]
    del one["ResourceConfig"]
    one["HyperParameterTuningResourceConfig"] = {
        "InstanceConfigs": [
            {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 5},
            {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        ]
    }

    assert admitted(asked)["TrainingJobDefinition"]["ResourceConfig"] == {
        "InstanceType": "ml.c5.xlarge",
        "InstanceCount": 2,
        "VolumeSizeInGB": 5,
    }
