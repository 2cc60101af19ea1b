"""The same requests on a Ray cluster whose head runs no jobs, and two more nodes: jobs whose instances stand on both, servers that die, and a node that does."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import raycluster
from tests.clients import test_mpi
from tests.clients.conftest import Client, build
from tests.clients.jobs import XGBOOST, Jobs, abalone
from tests.clients.test_frameworks import ASKED, PYTORCH
from tests.raycluster import RayCluster
from tests.servers import Server, free_port

pytestmark = pytest.mark.slow

TWO = {"InstanceType": "ml.t3.medium", "InstanceCount": 2, "VolumeSizeInGB": 1}
# Each instance tells the other that it is there, by its host name, and goes on until it is told to end.
MEETING = """
import os, pathlib, signal, socket, sys, time
here = os.environ["CURRENT_HOST"]
other = "algo-2" if here == "algo-1" else "algo-1"
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("/opt/ml/model", here).write_text("saved"), sys.exit()))
print("started", here)
listener = socket.create_server((here, int(os.environ["PORT"])))
while True:
    try:
        socket.create_connection((other, int(os.environ["PORT"]))).close()
        break
    except OSError:
        time.sleep(0.05)
listener.accept()
print(here, "at", socket.gethostbyname(here), "has met", other, "at", socket.gethostbyname(other))
while True:
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def ray() -> Iterator[RayCluster]:
    with raycluster.running(0, 2, 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def server(ray: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chosen = {"SALVIA_RAY_ADDRESS": ray.address, **ray.variables}
    with Server(tmp_path_factory.mktemp("data"), variables=chosen) as server:
        yield server


@pytest.fixture(scope="module")
def jobs(server: Server) -> Jobs:
    return Jobs(server)


def test_xgboost_on_two_nodes_learns_as_well_as_on_one(jobs: Jobs) -> None:
    for name, part in abalone().items():
        jobs.put(name, part)
    alone = learned(jobs, 1)
    together = learned(jobs, 2)

    assert together == pytest.approx(alone, rel=0.01)


@pytest.mark.parametrize(
    "count",
    [2, pytest.param(4, marks=pytest.mark.skipif("distributed" not in ASKED, reason="four PyTorchs at once"))],
)
def test_pytorch_learns_mnist_on_several_nodes_through_the_unmodified_sdk(
    server: Server, tmp_path: Path, count: int
) -> None:
    sdk2 = Client(build("sdk2"), server.variables() | {"HOME": str(tmp_path)})
    fit = f"""
e, accuracy = fit(instance_count={count}, instance_type="ml.g4dn.xlarge", distribution={{"torch_distributed": {{"enabled": True}}}})
result = {{"accuracy": accuracy}}
"""
    result = sdk2.python(PYTORCH + fit, timeout=600)

    assert result["accuracy"] > 0.93  # type: ignore[operator]


def test_mpi_learns_on_two_nodes_what_one_process_learns(server: Server, tmp_path: Path) -> None:
    sdk2 = Client(build("sdk2"), server.variables() | {"HOME": str(tmp_path)})
    fit = """
job = fit()
result = {"rmse": job.describe()["FinalMetricDataList"][0]["Value"], "processes": sorted(re.findall(r"process ([0-9] of [0-9] on algo-[0-9])", lines(job)))}
"""
    result = sdk2.python(test_mpi.PYTORCH + fit, timeout=600)

    assert result["processes"] == [f"{rank} of 4 on algo-{1 + rank // 2}" for rank in range(4)]
    assert result["rmse"] == pytest.approx(test_mpi.RMSE, abs=1e-6)


def test_a_job_goes_on_while_its_server_is_down_and_is_stopped_by_the_next(server: Server, jobs: Jobs) -> None:
    name = meet(jobs)
    server.kill()
    server.start()
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.ended(name)
    lines = jobs.lines(name)
    places = {line.split()[0]: line.split()[2] for line in lines if " has met " in line}

    assert job["TrainingJobStatus"] == "Stopped"
    assert sorted(line for line in lines if line.startswith("started")) == ["started algo-1", "started algo-2"]
    assert len(set(places.values())) == 2, places
    assert jobs.left(name) == {"algo-1": b"saved", "algo-2": b"saved"}


def test_when_a_node_dies_its_job_fails_once_and_the_next_runs_on_what_is_left(ray: RayCluster, jobs: Jobs) -> None:
    name = meet(jobs)
    ray.kill("127.0.0.2")
    job = jobs.ended(name)
    jobs.completed(jobs.train("echo done"))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]].count("Failed") == 1
    assert sum(line.startswith("started") for line in jobs.lines(name)) == 2


def learned(jobs: Jobs, count: int) -> dict[str, Any]:
    """What a training job of so many instances says of its model."""
    name = jobs.train(
        "",
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={"num_round": "30", "objective": "reg:squarederror", "max_depth": "4", "eta": "0.2"},
        ResourceConfig=TWO | {"InstanceCount": count},
        InputDataConfig=[
            channel(jobs, "train", "ShardedByS3Key"),
            channel(jobs, "validation", "FullyReplicated"),
        ],
    )
    jobs.completed(name)
    return {metric["MetricName"]: metric["Value"] for metric in jobs.describe(name)["FinalMetricDataList"]}


def channel(jobs: Jobs, name: str, distribution: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{jobs.bucket}/{name}",
        "S3DataDistributionType": distribution,
    }
    return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}


def meet(jobs: Jobs) -> str:
    """A job both of whose instances have met."""
    port = {"PORT": str(free_port())}
    name = jobs.train(MEETING, by=("python",), ResourceConfig=TWO, Environment=port)
    until = time.monotonic() + 120
    while sum(" has met " in line for line in jobs.lines(name)) < 2:
        assert time.monotonic() < until, (jobs.lines(name), jobs.describe(name))
        time.sleep(0.1)
    return name
