"""A tuning job whose server is killed again and again: every trial once, never too many at a time, the same draws."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash.cluster import Cluster
from tests.crash.jobs import BUCKET, ROLE

pytestmark = pytest.mark.slow

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
TRIALS, PARALLEL, KILLS = 30, 4, 10


def request(name: str) -> dict[str, Any]:
    def channel(part: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/tuning/{part}.csv"}
        return {"ChannelName": part, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}

    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 5,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": TRIALS, "MaxParallelTrainingJobs": PARALLEL},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.01", "MaxValue": "0.9"}]},
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"num_round": "3", "objective": "reg:squarederror"},
            "AlgorithmSpecification": {"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "InputDataConfig": [channel("train"), channel("validation")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
        },
    }


def tuned(cluster: Cluster, name: str, kills: int) -> list[dict[str, Any]]:
    """Its training jobs, in the order of their names, when it has completed."""
    cluster.ask("sagemaker", lambda sagemaker: sagemaker.create_hyper_parameter_tuning_job(**request(name)))
    if kills:
        cluster.kill_at_random(kills, 0.2, 1.0)
    until = time.monotonic() + 180
    named = {"HyperParameterTuningJobName": name}
    while True:
        told = cluster.ask("sagemaker", lambda sagemaker: sagemaker.describe_hyper_parameter_tuning_job(**named))
        if told["HyperParameterTuningJobStatus"] != "InProgress":
            break
        assert time.monotonic() < until, told
        time.sleep(0.1)
    assert told["HyperParameterTuningJobStatus"] == "Completed", told.get("FailureReason")
    listed = cluster.ask(
        "sagemaker",
        lambda sagemaker: sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**named, MaxResults=100),
    )
    found: list[dict[str, Any]] = listed["TrainingJobSummaries"]
    return found


def most_at_once(trials: list[dict[str, Any]]) -> int:
    changes = [(trial["CreationTime"], 1) for trial in trials] + [(trial["TrainingEndTime"], -1) for trial in trials]
    most = count = 0
    for _, change in sorted(changes):
        count += change
        most = max(most, count)
    return most


def test_no_trial_is_lost_or_repeated(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        rows = "\n".join(f"{number % 7},{number},{number % 3}" for number in range(100))
        cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key="tuning/train.csv", Body=rows))
        cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key="tuning/validation.csv", Body=rows))
        killed = tuned(cluster, "killed", KILLS)
        calm = tuned(cluster, "calm", 0)

        numbers = [trial["TrainingJobName"].split("-")[1] for trial in killed]
        assert numbers == [f"{number:03d}" for number in range(1, TRIALS + 1)]
        assert {trial["TrainingJobStatus"] for trial in killed} == {"Completed"}
        assert most_at_once(killed) <= PARALLEL
        assert [trial["TunedHyperParameters"] for trial in killed] == [trial["TunedHyperParameters"] for trial in calm]
        assert cluster.said() == ""
