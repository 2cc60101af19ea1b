"""The training job of the benchmarks: built-in XGBoost on Abalone, as AWS's notebook "Regression with XGBoost" asks for it."""

import csv
import random
from pathlib import Path
from typing import Any

ACCOUNT, REGION, BUCKET = "000000000000", "us-west-2", "benchmark"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SalviaExecutionRole"
IMAGE = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:1.7-1"
HYPERPARAMETERS = {
    "objective": "reg:squarederror",
    "num_round": "50",
    "max_depth": "5",
    "eta": "0.2",
    "gamma": "4",
    "min_child_weight": "6",
    "subsample": "0.7",
}
ABALONE = Path(__file__).parents[2] / "examples/data/abalone/abalone.csv"
_SEX = {"M": "1", "F": "2", "I": "3"}


def asked(name: str, image: str = IMAGE) -> dict[str, Any]:
    """The input of CreateTrainingJob."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "HyperParameters": HYPERPARAMETERS,
        "InputDataConfig": [_channel("train"), _channel("validation")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def _channel(name: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/abalone/{name}/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}


def abalone() -> dict[str, bytes]:
    """The channels' files: label first, the sex as a number; four fifths to train with, the rest to validate."""
    with ABALONE.open() as file:
        table = [[row[-1], _SEX[row[0]], *row[1:-1]] for row in csv.reader(file) if row]
    random.Random(0).shuffle(table)
    cut = len(table) * 4 // 5
    parts = {"train": table[:cut], "validation": table[cut:]}
    return {name: "\n".join(",".join(row) for row in rows).encode() for name, rows in parts.items()}
