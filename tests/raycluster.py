"""A Ray cluster of the tests' own: several nodes on this machine, each with an address of its own; or the reason why there is none."""

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers import free_port

START_SECONDS = 90.0
_STARTS = 3
_STARTED = "Ray runtime started"
# `ray start`, but for how long it waits for its own processes: thirty seconds are too little on a machine with two busy CPUs,
# where its raylet may also give up by itself, which is why it is tried again.
_RAY = f"""
import time
from ray._private import services
from ray.scripts.scripts import main
plain = services.get_node
def patient(*given):
    until = time.monotonic() + {START_SECONDS}
    while True:
        try:
            return plain(*given)
        except RuntimeError:
            if time.monotonic() > until:
                raise
services.get_node = patient
main()
"""


class RayCluster:
    """`address` is the head's; `variables` are what whoever speaks with this cluster needs in its environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"127.0.0.1:{self._port}"
        self.variables = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",  # else 15, and jobs would wait for whatever else the machine does
            "RAY_ADDRESS": self.address,
        }

    def add(self, cpus: int) -> str:
        """The address of a new node; the first is the head."""
        node = f"127.0.0.{len(self._nodes) + 1}"
        for _ in range(_STARTS):
            if self._start(node, cpus):
                return node
            self.kill(node)
        raise AssertionError(self._log(node).read_text(errors="replace"))

    def kill(self, node: str) -> None:
        """As when its power fails: every process that Ray has there is gone at once."""
        process = self._nodes[node]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for node in reversed(self._nodes):
            self.kill(node)

    def _start(self, node: str, cpus: int) -> bool:
        """Whether it has started."""
        where = [f"--address={self.address}"]
        if not self._nodes.keys() - {node}:
            where = ["--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        with self._log(node).open("wb") as output:
            process = self._nodes[node] = subprocess.Popen(
                [
                    *(sys.executable, "-c", _RAY, "start", "--block", *where),
                    *(f"--node-ip-address={node}", f"--num-cpus={cpus}", f"--memory={8 << 30}"),
                    f"--object-store-memory={80 << 20}",
                ],
                stdout=output,
                stderr=output,
                env=os.environ | self.variables,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < until:
            if _STARTED in self._log(node).read_text(errors="replace"):
                return True
            time.sleep(0.05)
        return False

    def _log(self, node: str) -> Path:
        return self._folder / f"{node}.log"


@contextmanager
def running(*cpus: int) -> Iterator[RayCluster]:
    """One node with so many CPUs for each of `cpus`. Skips the test where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    with tempfile.TemporaryDirectory(
        prefix="ray", ignore_cleanup_errors=True
    ) as folder:  # a short path, for its sockets
        cluster = RayCluster(Path(folder))
        try:
            for each in cpus:
                cluster.add(each)
            yield cluster
        finally:
            cluster.stop()
