"""kill -9 of the process that looks after a run: the job says so, and is retried where it asked to be."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash import jobs
from tests.crash.cluster import Cluster
from tests.crash.jobs import BUCKET

pytestmark = pytest.mark.slow

AT_ONCE = 6.0


@pytest.fixture
def cluster(data: Path, chance: random.Random) -> Any:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        yield cluster
        assert cluster.said() == ""


def kill_supervisor(cluster: Cluster, name: str, attempt: int = 0, lines: int = 1) -> None:
    """When the job has printed so many lines, so that user code has surely begun."""
    until = time.monotonic() + 30
    while len(jobs.lines(cluster, name)) < lines:
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(jobs.supervisor(cluster.data, name, attempt), signal.SIGKILL)


def test_a_lost_run_fails_its_job_and_says_that_it_was_not_the_users_fault(cluster: Cluster) -> None:
    name = jobs.create(cluster, jobs.request("lost", "echo started; sleep 100"))
    kill_supervisor(cluster, name)
    job = jobs.ended(cluster, name, AT_ONCE)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError")


def test_a_run_that_is_lost_while_no_server_is_up_fails_its_job_too(cluster: Cluster) -> None:
    name = jobs.create(cluster, jobs.request("lost", "echo started; sleep 100"))
    jobs.until_in(cluster, name, "Training")
    cluster.kill()
    os.kill(jobs.supervisor(cluster.data, name), signal.SIGKILL)
    cluster.restart()
    job = jobs.ended(cluster, name, AT_ONCE)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError")


def test_a_lost_run_is_retried_as_often_as_the_job_asked_with_what_it_had_saved(cluster: Cluster) -> None:
    """The first attempt saves a checkpoint and waits; the second finds it."""
    script = "if [ -e /opt/ml/checkpoints/saved ]; then echo resumed; exit; fi; echo started; sleep 100"
    asked = jobs.request(
        "retried",
        script,
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"},
    )
    name = jobs.create(cluster, asked)
    jobs.until_in(cluster, name, "Training")
    cluster.client("s3").put_object(Bucket=BUCKET, Key="checkpoints/saved", Body=b"")
    kill_supervisor(cluster, name)
    job = jobs.ended(cluster, name, AT_ONCE)

    assert job["TrainingJobStatus"] == "Completed"
    assert jobs.lines(cluster, name) == ["started", "resumed"]


def test_a_job_whose_retries_are_used_up_fails(cluster: Cluster) -> None:
    asked = jobs.request("unlucky", "echo started; sleep 100", RetryStrategy={"MaximumRetryAttempts": 1})
    name = jobs.create(cluster, asked)
    kill_supervisor(cluster, name)
    kill_supervisor(cluster, name, attempt=1, lines=2)
    job = jobs.ended(cluster, name, AT_ONCE)

    assert job["TrainingJobStatus"] == "Failed"
    assert jobs.lines(cluster, name) == ["started", "started"]


def test_when_one_of_two_instances_is_lost_both_are_retried(cluster: Cluster) -> None:
    script = "echo $CURRENT_HOST; [ -e /opt/ml/checkpoints/saved ] || sleep 100"
    asked = jobs.request(
        "pair",
        script,
        RetryStrategy={"MaximumRetryAttempts": 2},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"},
    )
    name = jobs.create(cluster, asked)
    jobs.until_in(cluster, name, "Training")
    cluster.client("s3").put_object(Bucket=BUCKET, Key="checkpoints/saved", Body=b"")
    kill_supervisor(cluster, name, lines=2)
    job = jobs.ended(cluster, name, 30)

    assert job["TrainingJobStatus"] == "Completed"
    assert sorted(jobs.lines(cluster, name)) == ["algo-1", "algo-1", "algo-2", "algo-2"]
