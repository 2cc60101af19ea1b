"""Everything works for a user who is not root, with an empty home and Python's own tools only: set up, served, trained."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.jobs import XGBOOST, Jobs
from tests.clients.ordinary import Ordinary, OrdinaryServer, ordinary_user

pytestmark = pytest.mark.slow

ABALONE = Path(__file__).parents[2] / "examples/data/abalone/abalone.csv"
SETTINGS = {"objective": "reg:squarederror", "num_round": "20"}


@pytest.fixture(scope="module")
def user() -> Iterator[Ordinary]:
    with ordinary_user() as found:
        if not found.python:
            pytest.skip("no Python of 3.11 to 3.13 is installed for users other than root")
        yield found


@pytest.fixture(scope="module")
def jobs(user: Ordinary) -> Iterator[Jobs]:
    with OrdinaryServer(user) as server:
        yield Jobs(server)


def test_the_machine_is_said_to_be_fit(user: Ordinary) -> None:
    said = user.run(str(user.salvia), "doctor", "--offline")

    assert "broken" not in said
    assert "each run gets namespaces of its own" in said


def test_built_in_xgboost_trains(jobs: Jobs) -> None:
    rows = [line.split(",") for line in ABALONE.read_text().splitlines()]
    jobs.put("abalone/train.csv", "\n".join(",".join([row[-1], *row[1:-1]]) for row in rows))
    train = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.bucket}/abalone/"}}}
    name = jobs.train(
        "",
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters=SETTINGS,
        InputDataConfig=[train | {"ChannelName": "train", "ContentType": "text/csv"}],
    )
    job = jobs.ended(name, 400)  # the environment is built from PyPI first

    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.lines(name))
    assert list(jobs.left(name)) == ["xgboost-model"]
    assert [metric["MetricName"] for metric in job["FinalMetricDataList"]] == ["train:rmse"]


def test_a_script_runs_as_nobody_in_particular_and_leaves_its_model(jobs: Jobs) -> None:
    name = jobs.train("id -un; whoami > /opt/ml/model/who; cat /etc/hostname")

    assert jobs.completed(name) == ["sagemaker", "algo-1"]
    assert jobs.left(name) == {"who": b"sagemaker\n"}


def test_nothing_of_the_data_folder_is_readable_by_others(jobs: Jobs) -> None:
    jobs.completed(jobs.train("true"))
    data = jobs.server.data
    kept = [path for path in data.rglob("*") if path.relative_to(data).parts[0] not in {"objects", "runs"}]
    kept.remove(jobs.server.output)  # which this test made
    open_ones = {path.name for path in kept if path.stat().st_mode & 0o077}

    assert {stat.S_IMODE((data / name).stat().st_mode) for name in (".", "objects", "runs")} == {0o700}
    assert open_ones == {"ca.pem", "bundle.pem"}  # certificates, which are public


def test_the_server_is_seen_and_ended(user: Ordinary) -> None:
    data = user.folder(user.home / "another")
    where = ("--data", str(data), "--port", "0")
    salvia = str(user.salvia)
    user.run(salvia, "up", "--detach", *where)
    (seen,) = json.loads(user.run(salvia, "status", "--json", "--data", str(data)))
    who = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    arn = user.run(salvia, "run", "--data", str(data), "--", str(user.salvia.with_name("python")), "-c", who)
    owner = os.stat(f"/proc/{seen['pid']}").st_uid
    user.run(salvia, "down", "--data", str(data))

    assert seen["answers"]
    assert owner != 0
    assert arn.strip().endswith("assumed-role/SalviaExecutionRole/root")
    assert user.run(salvia, "status", "--data", str(data), check=False) == ""
