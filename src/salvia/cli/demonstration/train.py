"""What any SageMaker user writes: the unmodified SDK uploads data, trains built-in XGBoost, fetches the model,
scores a file with it, deploys it and deletes it.

Nothing here knows of Salvia. Run against AWS it would do the same; the environment variables decide where it goes.
Usage: train.py FOLDER REPORT, where FOLDER holds abalone.csv. Writes what it saw to REPORT as JSON.
"""

import csv
import io
import json
import math
import random
import statistics
import sys
import tarfile
import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer

# The hyperparameters of AWS's own notebook "Regression with Amazon SageMaker XGBoost algorithm".
HYPERPARAMETERS = {
    "objective": "reg:squarederror",
    "num_round": 50,
    "max_depth": 5,
    "eta": 0.2,
    "gamma": 4,
    "min_child_weight": 6,
    "subsample": 0.7,
}
SEX = {"M": 1, "F": 2, "I": 3}


def main(folder: Path, report: Path) -> None:
    seen: dict[str, object] = {}
    started = time.monotonic()
    session = sagemaker.Session()
    role = sagemaker.get_execution_role(session)
    seen["session"] = time.monotonic() - started
    train, validation = split(rows(folder / "abalone.csv"))

    moment = time.monotonic()
    channels = {name: upload(session, name, part) for name, part in (("train", train), ("validation", validation))}
    seen["upload"] = time.monotonic() - moment

    estimator = Estimator(
        image_uri=sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        base_job_name="abalone",
        sagemaker_session=session,
        hyperparameters=HYPERPARAMETERS,
    )
    moment = time.monotonic()
    estimator.fit(channels, logs=True)
    seen["fit"] = time.monotonic() - moment

    moment = time.monotonic()
    bucket, _, key = estimator.model_data.removeprefix("s3://").partition("/")
    artefact = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(artefact)) as tar:
        seen["files"] = tar.getnames()
    seen["fetch"] = time.monotonic() - moment

    job = estimator.latest_training_job.describe()
    seen["metrics"] = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    seen["model"] = estimator.model_data
    seen["job"] = job["TrainingJobName"]
    seen["bytes"] = len(artefact)
    seen["to_first_line"] = first_line(job) - job["CreationTime"].timestamp()
    seen["whole_job"] = (job["TrainingEndTime"] - job["CreationTime"]).total_seconds()
    seen |= transformed(estimator, validation)
    seen |= deployed(estimator, validation)
    report.write_text(json.dumps(seen))


def transformed(estimator: Estimator, table: list[list[str]]) -> dict[str, object]:
    """A batch transform job scores the table as a file in S3."""
    session = estimator.sagemaker_session
    text = "\n".join(",".join(row[1:]) for row in table)
    uri = session.upload_string_as_file_body(text, session.default_bucket(), "abalone/batch/rows.csv")
    transformer = estimator.transformer(1, "ml.m5.large", strategy="MultiRecord", assemble_with="Line")
    transformer.transform(uri, content_type="text/csv", split_type="Line", wait=False)  # the SDK would sleep
    name = transformer.latest_transform_job.name
    sagemaker_client = session.sagemaker_client
    sagemaker_client.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
    job = sagemaker_client.describe_transform_job(TransformJobName=name)
    bucket, _, prefix = transformer.output_path.removeprefix("s3://").partition("/")
    scored = session.read_s3_file(bucket, f"{prefix}/rows.csv.out").split()
    transformer.delete_model()
    return {
        "transform": (job["TransformEndTime"] - job["CreationTime"]).total_seconds(),
        "transformed_rmse": error_of(scored, table),
    }


def deployed(estimator: Estimator, table: list[list[str]]) -> dict[str, object]:
    """The model answers on an endpoint, row by row and for the whole table, and everything of it is deleted."""
    seen: dict[str, object] = {}
    moment = time.monotonic()
    predictor = estimator.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        serializer=CSVSerializer(),
        deserializer=CSVDeserializer(),
        wait=False,  # the SDK would sleep for 30 seconds before it looks
    )
    boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=predictor.endpoint_name)
    seen["deploy"] = time.monotonic() - moment
    endpoint = boto3.client("sagemaker").describe_endpoint(EndpointName=predictor.endpoint_name)
    seen["in_service"] = (endpoint["LastModifiedTime"] - endpoint["CreationTime"]).total_seconds()

    times = []
    for row in table[:100]:
        moment = time.monotonic()
        predictor.predict([row[1:]])
        times.append(time.monotonic() - moment)
    seen["invoke"] = statistics.median(times)
    said = predictor.predict([row[1:] for row in table])
    seen["served_rmse"] = error_of([value for line in said for value in line], table)

    moment = time.monotonic()
    predictor.delete_model()
    predictor.delete_endpoint(delete_endpoint_config=True)
    seen["delete"] = time.monotonic() - moment
    return seen


def error_of(said: list[str], table: list[list[str]]) -> float:
    """The root of the mean squared error of what a model said of each row."""
    return math.sqrt(
        statistics.fmean((float(told) - float(row[0])) ** 2 for told, row in zip(said, table, strict=True))
    )


def rows(path: Path) -> list[list[str]]:
    """The label first, then the features, the sex as a number, as the built-in algorithm wants it."""
    with path.open() as file:
        return [[line[-1], str(SEX[line[0]]), *line[1:-1]] for line in csv.reader(file) if line]


def split(table: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    random.Random(1).shuffle(table)
    cut = len(table) * 7 // 10
    return table[:cut], table[cut:]


def upload(session: sagemaker.Session, name: str, part: list[list[str]]) -> TrainingInput:
    text = "\n".join(",".join(row) for row in part)
    uri = session.upload_string_as_file_body(text, session.default_bucket(), f"abalone/{name}/{name}.csv")
    return TrainingInput(uri, content_type="text/csv")


def first_line(job: dict[str, object]) -> float:
    """When the algorithm first spoke, as CloudWatch Logs tells it."""
    logs = boto3.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job['TrainingJobName']}/")
    events = logs.get_log_events(
        logGroupName=group, logStreamName=streams["logStreams"][0]["logStreamName"], startFromHead=True, limit=1
    )
    return events["events"][0]["timestamp"] / 1000


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
