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

_STARTED = "Ray runtime started"
_START_SECONDS = 120.0


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
            "RAY_ADDRESS": self.address,
        }

    def add(self, cpus: int) -> str:
        """The address of a new node; the first is the head."""
        number = len(self._nodes) + 1
        where = [f"--address={self.address}"]
        if number == 1:
            where = ["--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        log = self._folder / f"node-{number}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(str(Path(sys.executable).with_name("ray")), "start", "--block", *where),
                    *(f"--node-ip-address=127.0.0.{number}", f"--num-cpus={cpus}", f"--memory={8 << 30}"),
                    f"--object-store-memory={80 << 20}",
                ],
                stdout=output,
                stderr=output,
                env=os.environ | self.variables,
                start_new_session=True,
            )
        self._nodes[f"127.0.0.{number}"] = process
        until = time.monotonic() + _START_SECONDS
        while _STARTED not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.05)
        return f"127.0.0.{number}"

    def kill(self, node: str) -> None:
        """As when its power fails: every process that Ray has there is gone at once."""
        process = self._nodes[node]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for node in reversed(self._nodes):
            with suppress(ProcessLookupError):
                self.kill(node)


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
