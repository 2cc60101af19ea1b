"""Instances that work together, while servers die and one of them is killed: one job, each instance once, one ending."""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.crash import jobs
from tests.crash.cluster import Cluster
from tests.crash.jobs import BUCKET
from tests.servers import free_port

pytestmark = pytest.mark.slow

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
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


# Each instance writes its checkpoints, two of them too large to be sent from memory, and works on until it is told to end.
CHECKPOINTS = """
import hashlib, os, pathlib, time
host, folder = os.environ["CURRENT_HOST"], pathlib.Path("/opt/ml/checkpoints")
print("started", host)
for number in range(FILES):
    data = os.urandom(9 << 20 if number in (FILES // 3, FILES - 1) else 20_000)
    (folder / f"{host}-{number:03}").write_bytes(data)
    print(hashlib.sha256(data).hexdigest(), f"{host}-{number:03}")
print("written", host)
while not (folder / "end").exists():
    time.sleep(0.05)
pathlib.Path("/opt/ml/model", host).write_text("saved")
"""
FILES = 60


@pytest.fixture
def cluster(data: Path, chance: random.Random) -> Any:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        yield cluster
        assert cluster.said() == ""


def create(cluster: Cluster, name: str, script: str, count: int, **more: Any) -> str:
    put(cluster, "code/script.py", script)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/code"}}
    asked = jobs.request(
        name,
        "exec python /opt/ml/input/data/code/script.py",
        InputDataConfig=[{"ChannelName": "code", "DataSource": source}],
        ResourceConfig=resources(count),
        **more,
    )
    return jobs.create(cluster, asked)


def put(cluster: Cluster, key: str, text: str) -> None:
    cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=text))


def resources(count: int) -> dict[str, Any]:
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}


def add_up(cluster: Cluster, name: str, rounds: int) -> str:
    script = SUMS.replace("ROUNDS", str(rounds))
    return create(cluster, name, script, len(HOSTS), Environment={"PORT": str(free_port())})


def add_on(cluster: Cluster) -> str:
    """A job whose instances add up their numbers for longer than any test lasts, and have begun."""
    name = add_up(cluster, "adds", rounds=100_000)
    until(lambda: said(cluster, name, "working") == len(HOSTS), "the instances do not work")
    return name


def boost_on(cluster: Cluster) -> str:
    """So does the built-in XGBoost, each instance with rows of its own."""
    for host in HOSTS:
        rows = "\n".join(f"{number % 5},{number},{number % 3}" for number in range(60))
        put(cluster, f"rows/{host}", rows)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/rows/", "S3DataDistributionType": "ShardedByS3Key"}
    channel = {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
    asked = jobs.request(
        "boosts",
        "",
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={"num_round": "1000000", "objective": "reg:squarederror"},
        InputDataConfig=[channel],
        ResourceConfig=resources(len(HOSTS)),
    )
    name = jobs.create(cluster, asked)
    until(lambda: said(cluster, name, "[0]") == 1, "the instances do not train")
    return name


def said(cluster: Cluster, name: str, what: str) -> int:
    """How many lines of the job have it."""
    return sum(what in line for line in jobs.lines(cluster, name))


def many_sent(cluster: Cluster, count: float) -> bool:
    return len(jobs.keys(cluster, "checkpoints/")) >= count


def until(seen: Callable[[], bool], what: str, seconds: float = 90) -> None:
    over = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < over, what
        time.sleep(0.01)


def test_instances_work_on_together_while_servers_die(cluster: Cluster) -> None:
    name = add_up(cluster, "sums", rounds=60)
    cluster.kill_at_random(5, 0.1, 1.0)
    job = jobs.ended(cluster, name)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.steps(job) == jobs.ALL_STEPS
    assert jobs.model(cluster, name) == {host: b"600" for host in HOSTS}
    assert sorted(jobs.lines(cluster, name)) == [f"{what} {host}" for what in ("started", "working") for host in HOSTS]


@pytest.mark.parametrize("server", ["up", "down"])
@pytest.mark.parametrize(
    ("work_on", "started"),
    [(add_on, "started"), (boost_on, "Distributed node training with 4 hosts")],
    ids=["script", "xgboost"],
)
def test_when_one_instance_is_killed_the_job_fails_once_and_says_that_it_was_lost(
    cluster: Cluster, work_on: Callable[[Cluster], str], started: str, server: str
) -> None:
    name = work_on(cluster)
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
    assert said(cluster, name, started) == len(HOSTS)


def test_every_instances_checkpoints_are_whole_though_servers_die_while_they_are_sent(cluster: Cluster) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints", "LocalPath": "/opt/ml/checkpoints"}
    name = create(cluster, "saves", CHECKPOINTS.replace("FILES", str(FILES)), count=2, CheckpointConfig=config)
    until(lambda: said(cluster, name, "written") == 2, "the checkpoints are not written")
    moments = []
    for share in (0.1, 0.4, 0.7, 0.95):  # a server that starts sends all of them anew
        cluster.kill()
        cluster.restart()
        until(partial(many_sent, cluster, share * 2 * FILES), "the checkpoints are not sent")
        moments.append(len(jobs.keys(cluster, "checkpoints/")))
    cluster.kill()
    for host in HOSTS[:2]:
        (folder,) = (cluster.data / "runs").glob(f"*-training-{name}-*-{host}")
        (folder / "ml/checkpoints/end").touch()
    cluster.restart()
    job = jobs.ended(cluster, name)
    print(f"killed when {moments} of {2 * FILES} checkpoints had been sent")  # noqa: T201 - shown with -rP

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.steps(job) == jobs.ALL_STEPS
    assert jobs.model(cluster, name) == {host: b"saved" for host in HOSTS[:2]}
    assert said(cluster, name, "started") == said(cluster, name, "written") == 2
    hashes = {line.split()[1]: line.split()[0] for line in jobs.lines(cluster, name) if len(line.split()[0]) == 64}
    kept = {key: hashlib.sha256(data).hexdigest() for key, data in jobs.below(cluster, "checkpoints/").items()}
    assert kept == hashes | {"end": hashlib.sha256(b"").hexdigest()}
