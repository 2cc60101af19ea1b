"""A Ray cluster keeps what every Compute promises."""

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.compute.ray import Driver, Ray, engine
from tests import raycluster
from tests.contracts.test_compute import PLAIN, ComputeContract, finish, log
from tests.raycluster import RayCluster

pytestmark = pytest.mark.slow

CPUS = (4, 2)
_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Home:
    data: Path
    driver: Driver
    cluster: RayCluster


class TestRay(ComputeContract):
    @pytest.fixture(scope="class")
    @classmethod
    def home(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
        """A data folder and a cluster for all tests."""
        data = tmp_path_factory.mktemp("data")
        with raycluster.running(*CPUS) as cluster, pytest.MonkeyPatch.context() as patch:
            for name, value in cluster.variables.items():
                patch.setenv(name, value)
            driver = Driver(cluster.address, data / "runs")
            assert driver.wait(_READY_SECONDS)
            yield Home(data, driver, cluster)
            driver.close()

    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Launches return when the run has begun, however busy the machine is."""
        monkeypatch.setattr(engine, "_PATIENCE_SECONDS", _READY_SECONDS)

    @pytest.fixture
    def data(self, home: Home) -> Path:
        return home.data

    @pytest.fixture
    def another(self, home: Home) -> Iterator[Any]:
        opened: list[Process] = []

        def open_one(**given: Any) -> Ray:
            opened.append(Process(home.data, {PLAIN.name: PLAIN}.__getitem__))
            return Ray(home.data, {PLAIN.name: PLAIN}.__getitem__, opened[-1], home.driver, **given)

        yield open_one
        for each in opened:
            each.close()
        folders = RunFolders(home.data / "runs")
        for path in folders.top.glob("[!.]*"):
            folders.remove(path.name)
        (home.data / "log").unlink(missing_ok=True)

    @pytest.fixture
    def compute(self, another: Any) -> Any:
        return another()

    async def test_a_run_that_finds_no_room_begins_when_there_is_some(
        self, compute: Any, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "_PATIENCE_SECONDS", 0.1)
        large: dict[str, Any] = {"cpus": float(max(CPUS))}
        await self.started(compute, data, "echo ready; exec sleep 60", name="first", **large)
        waiting = await compute.launch(self.spec(data, "echo begun", **large))
        found = RunFolders(data / "runs").observe("run")
        await compute.stop("first", 0)

        assert (waiting.waits, found) == (True, None)
        assert (await finish(compute, waiting)).exit_code == 0
        assert log(data) == "ready\nbegun\n"

    async def test_the_process_that_speaks_with_ray_may_be_killed(self, compute: Any, home: Home, data: Path) -> None:
        run = await self.started(compute, data, "echo ready; exec sleep 60", name="first")
        process = home.driver._process
        assert process is not None
        process.kill()
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                ended = await self.run(compute, data, "exit 7")
                break
            except ConnectionError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)

        assert ended.exit_code == 7
        assert await compute.find("first") == run

    async def test_a_run_that_waits_for_room_is_stopped_without_having_started(
        self, compute: Any, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "_PATIENCE_SECONDS", 0.1)
        large: dict[str, Any] = {"cpus": float(max(CPUS))}
        await self.started(compute, data, "echo ready; exec sleep 60", name="first", **large)
        waiting = await compute.launch(self.spec(data, "echo begun", **large))
        await compute.stop("run", 60)

        assert (await finish(compute, waiting)).exit_code == -signal.SIGTERM
        await compute.stop("first", 0)
        last = self.spec(data, "echo last", name="last", **large)
        assert (await finish(compute, await compute.launch(last))).exit_code == 0
        assert log(data) == "ready\nlast\n"

    async def test_capacity_is_what_the_machine_has(self, compute: Any) -> None:
        """Or all machines of the cluster together."""
        cpus, memory = compute.capacity()

        assert cpus == sum(CPUS)
        assert memory == len(CPUS) * 8 << 30

    async def test_a_run_that_no_node_can_hold_begins_when_the_cluster_has_grown(
        self, another: Any, home: Home, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "_PATIENCE_SECONDS", 0.1)
        compute = another(most=(16.0, 32 << 30))
        waiting = await compute.launch(self.spec(data, "echo begun", cpus=5.5))
        await asyncio.to_thread(home.cluster.add, 6)

        assert waiting.waits
        assert compute.capacity() == (16.0, 32 << 30)
        assert (await finish(compute, waiting)).exit_code == 0
        assert log(data) == "begun\n"
