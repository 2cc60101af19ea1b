"""Instances that work together, while servers die and one of them is killed: one job, each instance once, one ending."""

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
from tests.servers import free_port

pytestmark = pytest.mark.slow

HOSTS = [f"algo-{number}" for number in range(1, 5)]

# Four instances add up their numbers, round after round: algo-1 collects and tells the sums, as a parameter server would.
SUMS = """
import os, pathlib, socket, time
host, port = os.environ["CURRENT_HOST"], int(os.environ["PORT"])
mine = int(host.removeprefix("algo-"))
def connect():
    until = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("algo-1", port)).makefile("rw")
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.02)
print("started", host)
total, rounds = 0, 0
if mine == 1:
    listener = socket.create_server(("algo-1", port))
    others = [listener.accept()[0].makefile("rw") for _ in range(3)]
else:
    leader = connect()
while rounds < ROUNDS:
    rounds += 1
    if mine == 1:
        total += 1 + sum(int(other.readline()) for other in others)
        for other in others:
            print(total, file=other, flush=True)
        time.sleep(0.1)
    else:
        print(mine, file=leader, flush=True)
        total = int(leader.readline())
    if rounds == 1:
        print("working", host)
pathlib.Path("/opt/ml/model", host).write_text(str(total))
"""


@pytest.fixture
def cluster(data: Path, chance: random.Random) -> Any:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        yield cluster
        assert cluster.said() == ""


def create(cluster: Cluster, name: str, rounds: int) -> str:
    script = SUMS.replace("ROUNDS", str(rounds))
    cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key="code/sums.py", Body=script))
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/code"}}
    asked = jobs.request(
        name,
        "exec python /opt/ml/input/data/code/sums.py",
        InputDataConfig=[{"ChannelName": "code", "DataSource": source}],
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": len(HOSTS), "VolumeSizeInGB": 1},
        Environment={"PORT": str(free_port())},
    )
    return jobs.create(cluster, asked)


def test_instances_work_on_together_while_servers_die(cluster: Cluster) -> None:
    name = create(cluster, "sums", rounds=60)
    cluster.kill_at_random(5, 0.1, 1.0)
    job = jobs.ended(cluster, name)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.steps(job) == jobs.ALL_STEPS
    assert jobs.model(cluster, name) == {host: b"600" for host in HOSTS}
    assert sorted(jobs.lines(cluster, name)) == [f"{what} {host}" for what in ("started", "working") for host in HOSTS]


@pytest.mark.parametrize("server", ["up", "down"])
def test_when_one_instance_is_killed_the_job_fails_once_and_says_that_it_was_lost(
    cluster: Cluster, server: str
) -> None:
    name = create(cluster, "lost", rounds=100_000)
    until = time.monotonic() + 60
    while sum(line.startswith("working") for line in jobs.lines(cluster, name)) < len(HOSTS):
        assert time.monotonic() < until
        time.sleep(0.05)
    victim = jobs.supervisor(cluster.data, name, host="algo-3")
    if server == "down":
        cluster.kill()
    os.kill(victim, signal.SIGKILL)
    if server == "down":
        time.sleep(1)  # the others, who miss it, end before anybody looks
        cluster.restart()
    job = jobs.ended(cluster, name)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
    assert jobs.steps(job) == [*jobs.ALL_STEPS[:-1], "Failed"]
    assert sum(line.startswith("started") for line in jobs.lines(cluster, name)) == len(HOSTS)
