"""kill -9 while the environment of an image is built: it is built again, and nothing half-built is ever used."""

import random
import time
from pathlib import Path

import pytest

from tests.crash import jobs
from tests.crash.cluster import Cluster
from tests.crash.jobs import BUCKET

pytestmark = pytest.mark.slow


def test_a_build_that_was_killed_half_way_is_done_again(data: Path, chance: random.Random) -> None:
    environments = data / "environments"
    with Cluster(data, chance, SALVIA_ENVIRONMENTS=str(environments)) as cluster:
        cluster.make_bucket(BUCKET)
        name = jobs.create(cluster, jobs.request("first", "python -c 'import boto3; print(boto3.__name__)'"))
        for _ in range(3):
            until_building(environments)
            time.sleep(chance.uniform(0, 0.6))
            cluster.kill()
            cluster.restart()
        job = jobs.ended(cluster, name)
        time.sleep(1)  # what an orphan of the killed servers still writes

        assert job["TrainingJobStatus"] == "Completed"
        assert jobs.lines(cluster, name) == ["boto3"]
        assert list(environments.glob(".*.building-*")) == []
        assert cluster.said() == ""


def until_building(environments: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if any(environments.glob(".*.building-*")):
            return
        time.sleep(0.005)
    raise AssertionError("no build ever began")
