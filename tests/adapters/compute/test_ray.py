"""What is decided about runs on a Ray cluster before Ray is asked, and what holds while it does not answer."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.ray import Driver, Ray, mark
from salvia.adapters.compute.ray.mark import Mark
from salvia.adapters.compute.ray.room import fitted
from salvia.adapters.images.environment import Environment
from salvia.ports.compute import CannotLaunchError, Run, RunSpec

GIB = 1 << 30
ENVIRONMENTS = {"python": Environment("python")}


class Local(Process):
    """Starts nothing itself."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, ENVIRONMENTS.__getitem__)
        self.launched: list[str] = []

    async def launch(self, spec: RunSpec) -> Run:
        self.launched.append(spec.name)
        return Run(spec.name, time.time())


class Waiting:
    """A cluster with no room: it takes every run and starts none."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.asked: list[dict[str, Any]] = []

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(json.loads(json.dumps(request)))
        mark.write(self.data / "runs" / request["name"], Mark("group", "actor"))
        return {}

    def capacity(self) -> tuple[float, int]:
        return 8.0, 16 * GIB

    def close(self) -> None:
        pass


@pytest.fixture
def cluster(tmp_path: Path) -> Waiting:
    return Waiting(tmp_path)


def opened(cluster: Waiting, **given: Any) -> Ray:
    data = cluster.data
    return Ray(data, ENVIRONMENTS.__getitem__, Local(data), cast("Driver", cluster), **given)


def spec(tmp_path: Path, name: str = "run", **given: Any) -> RunSpec:
    return RunSpec(name, **{"image": "python", "command": ("true",), "log": tmp_path / "log", **given})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salvia.adapters.compute.ray.engine._PATIENCE_SECONDS", 0.01)


def test_what_fits_is_left_as_it_is() -> None:
    assert fitted([(2.0, GIB), (2.0, GIB)], [(2.0, 4 * GIB), (3.0, 4 * GIB)]) == [(2.0, GIB), (2.0, GIB)]


def test_no_instance_is_larger_than_the_largest_node() -> None:
    assert fitted([(64.0, 256 * GIB)], [(2.0, 4 * GIB), (4.0, 8 * GIB)]) == [(4.0, 8 * GIB)]


def test_instances_that_only_fit_when_smaller_are_made_smaller_together() -> None:
    parts = fitted([(2.0, GIB)] * 3, [(4.0, 8 * GIB), (1.5, 8 * GIB)])

    assert parts == [(1.5, GIB * 3 // 4)] * 3


def test_more_instances_than_cpus_share_them() -> None:
    cpus = [cpus for cpus, _ in fitted([(1.0, GIB)] * 4, [(2.0, 8 * GIB)])]

    assert cpus == [0.5] * 4


def test_no_server_ever_imports_ray() -> None:
    code = "import sys, salvia.app, salvia.adapters.compute.by_image; sys.exit('ray' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_run_that_waits_for_room_is_asked_for_once_and_found_by_every_server(
    cluster: Waiting, tmp_path: Path
) -> None:
    compute = opened(cluster)
    run = await compute.launch(spec(tmp_path))
    other = await opened(cluster).find("run")

    assert run.waits
    assert other is not None
    assert other.waits
    assert len(cluster.asked) == 1
    await compute.launch(spec(tmp_path))
    assert len(cluster.asked) == 1
    compute.close()


async def test_a_run_that_is_stopped_while_it_waits_ends_and_that_is_told(cluster: Waiting, tmp_path: Path) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    compute = opened(cluster)
    compute.on_change(told.put_nowait)
    await compute.launch(spec(tmp_path))
    await compute.stop("run", 60)
    run = await compute.find("run")

    assert run is not None
    assert (run.exit_code, run.cause) == (-signal.SIGTERM, "")
    assert told.get_nowait() == "run"
    compute.close()


async def test_the_instances_of_a_job_are_asked_for_as_one(cluster: Waiting, tmp_path: Path) -> None:
    hosts = {"algo-1": "127.0.1.1", "algo-2": "127.0.1.2"}
    shares = ((2.0, GIB), (4.0, 2 * GIB))
    compute = opened(cluster)
    await compute.launch(spec(tmp_path, "job-0-algo-2", hostname="algo-2", hosts=hosts, shares=shares, cpus=4.0))
    (asked,) = cluster.asked

    assert asked["members"] == ["job-0-algo-1", "job-0-algo-2"]
    assert asked["shares"] == [[2.0, GIB], [4.0, 2 * GIB]]
    compute.close()


async def test_what_serves_stays_on_the_servers_machine(cluster: Waiting, tmp_path: Path) -> None:
    compute = opened(cluster)
    await compute.launch(spec(tmp_path, serves=True))

    assert cluster.asked == []


async def test_an_environment_that_is_not_there_is_said(cluster: Waiting, tmp_path: Path) -> None:
    with pytest.raises(CannotLaunchError, match="no environment 'other'"):
        await opened(cluster).launch(spec(tmp_path, image="other"))


def test_a_cluster_that_may_grow_is_as_large_as_it_may_become(cluster: Waiting) -> None:
    assert opened(cluster).capacity() == (8.0, 16 * GIB)
    assert opened(cluster, most=(32.0, 0)).capacity() == (32.0, 16 * GIB)


async def test_while_no_cluster_answers_jobs_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Driver, "_keep", lambda _: None)
    driver = Driver("nowhere:1", tmp_path / "runs")
    compute = Ray(tmp_path, ENVIRONMENTS.__getitem__, Local(tmp_path), driver)

    with pytest.raises(ConnectionError, match="nowhere:1 has not answered yet"):
        compute.capacity()
    with pytest.raises(ConnectionError, match="nowhere:1 does not answer"):
        await compute.launch(spec(tmp_path))
    compute.close()


def test_a_process_that_has_gone_away_can_be_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request that nobody could read is still in the stream when that is closed."""
    monkeypatch.setattr(Driver, "_keep", lambda _: None)
    driver = Driver("nowhere:1", tmp_path / "runs")
    driver._capacity, driver._complaints = (1.0, 1), os.memfd_create("stderr")
    ours, theirs = socket.socketpair()
    theirs.close()
    driver._stream = cast("BinaryIO", ours.makefile("rwb"))
    ours.close()

    for _ in range(2):
        with pytest.raises(ConnectionError, match="does not answer"):
            driver.ask({"do": "look"})
    assert driver._stream is None
    os.close(driver._complaints)
