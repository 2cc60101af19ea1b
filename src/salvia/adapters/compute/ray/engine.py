"""Compute on a Ray cluster: each job is a placement group, each run an actor that starts it in a sandbox on its node.

The folder of a run is on a file system that all nodes share with the server, and says everything about the run, as it does on one
machine; Ray is asked for room and for nodes that are gone, and for nothing else.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.compute.ray import mark
from salvia.adapters.compute.ray.driver import Driver
from salvia.adapters.images.environment import Environment
from salvia.ports.compute import CannotLaunchError, Run, RunSpec
from salvia_container.launch import record

_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0  # how long a launch waits for its run to begin; on a cluster that grows first it takes minutes


class Ray:
    """Use it from one event loop; several servers may share one `data` folder and one cluster.

    Runs that serve stay on this machine, with `local`. `most` is the size that the cluster may grow to by its autoscaler, as CPUs
    and bytes; zeros: it is as large as it is, and a job that asks for more gets what there is.
    """

    def __init__(
        self,
        data: Path,
        find_environment: Callable[[str], Environment],
        local: Process,
        driver: Driver,
        most: tuple[float, int] = (0.0, 0),
    ) -> None:
        self._data, self._find_environment, self._local, self._driver = data, find_environment, local, driver
        self._folders = RunFolders(data / "runs")
        self._most = most
        self._calls: list[Callable[[str], None]] = []
        self._waits: dict[str, asyncio.Task[None]] = {}

    def folder(self, name: str) -> Path:
        return self._local.folder(name)

    async def dial(self, name: str) -> socket.socket:
        return await self._local.dial(name)

    async def find(self, name: str) -> Run | None:
        """A run that Ray has taken and that has not begun is one that waits."""
        run = await self._local.find(name)
        if run is None and mark.read(self._folders.path(name)) is not None:
            self._wait_for(name)
            return Run(name, time.time(), waits=True)
        return run

    async def launch(self, spec: RunSpec) -> Run:
        """Raises CannotLaunchError for an environment that is not there, ConnectionError while the cluster does not answer."""
        if spec.serves:
            return await self._local.launch(spec)
        self._folders.make(spec.name)
        if await self.find(spec.name) is None:
            await asyncio.to_thread(self._driver.ask, self._request(spec))
        waiting = self._wait_for(spec.name)
        await asyncio.wait([waiting], timeout=_PATIENCE_SECONDS)
        run = await self.find(spec.name)
        if run is None:
            raise ConnectionError(f"{spec.name} was removed while it was launched")
        return run

    async def stop(self, name: str, grace: float) -> None:
        """One that waits for room ends without having started."""
        await self._local.stop(name, grace)
        if mark.read(self._folders.path(name)) is not None and await asyncio.to_thread(self._end_before_it_began, name):
            self._tell(name)

    async def remove(self, name: str) -> None:
        waiting = self._waits.pop(name, None)
        if waiting is not None:
            waiting.cancel()
        await self._local.remove(name)

    def capacity(self) -> tuple[float, int]:
        """Raises ConnectionError until the cluster has answered for the first time."""
        cpus, memory = self._driver.capacity()
        return max(cpus, self._most[0]), max(memory, self._most[1])

    def on_change(self, call: Callable[[str], None]) -> None:
        self._calls.append(call)
        self._local.on_change(call)

    def close(self) -> None:
        """Runs stay."""
        for waiting in self._waits.values():
            waiting.cancel()
        self._waits.clear()
        self._driver.close()
        self._local.close()

    def _request(self, spec: RunSpec) -> dict[str, Any]:
        try:
            environment = self._find_environment(spec.image)
        except LookupError as error:
            raise CannotLaunchError(f"there is no environment {spec.image!r} on this machine") from error
        order = {
            "data": str(self._data),
            "name": spec.name,
            "environment": asdict(environment) | {"folder": environment.folder and str(environment.folder)},
            "command": spec.command,
            "log": str(spec.log),
            "variables": dict(spec.variables),
            "read_only": spec.read_only,
            "hostname": spec.hostname,
            "isolated": spec.isolated,
        }
        alone = not spec.shares
        members = [spec.name]
        if not alone:
            job = spec.name.removesuffix(spec.hostname)
            members = [f"{job}{host}" for host in spec.hosts]
        return {
            "do": "place",
            "name": spec.name,
            "members": members,
            "shares": [(spec.cpus, spec.memory)] if alone else spec.shares,
            "hosts": dict(spec.hosts),
            "grows": self._most[0] > 0,
            "order": order,
        }

    def _wait_for(self, name: str) -> "asyncio.Task[None]":
        """Sees a run that waits for room begin, and tells of it."""
        waiting = self._waits.get(name)
        if waiting is None:
            waiting = self._waits[name] = asyncio.get_running_loop().create_task(self._see_begin(name))
        return waiting

    async def _see_begin(self, name: str) -> None:
        began = time.monotonic()
        while True:
            if await self._local.find(name) is not None or mark.read(self._folders.path(name)) is None:
                break
            await asyncio.sleep(_LOOK_SECONDS if time.monotonic() - began < _PATIENCE_SECONDS else 1.0)
        self._waits.pop(name, None)
        self._tell(name)

    def _end_before_it_began(self, name: str) -> bool:
        with contextlib.suppress(FileNotFoundError), self._folders.open(name) as folder:
            claim = record.claim(folder)
            if claim is None:
                return False
            record.write_ending(folder, record.Ending(-signal.SIGTERM, time.time()))
            os.close(claim)
            return True
        return False

    def _tell(self, name: str) -> None:
        for call in self._calls:
            call(name)
