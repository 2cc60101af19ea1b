"""The servers under measurement: Salvia as this checkout has it, and moto_server from PyPI."""

import configparser
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.measured.peers import environment
from benchmarks.measured.requests import Signer, exchange

MOTO = "5.2.5"
READY_SECONDS = 60.0


class Server:
    """One server in a process of its own, on a free port, with `folder` for what it keeps and says."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.ready_after = 0.0  # seconds from the start of the process to its first answered request
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def signer(self) -> Signer:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Returns when it has listed its training jobs for the first time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "output.txt").open("ab") as output:
            began = time.perf_counter()
            # As users have it: Python keeps what it has compiled.
            given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            self._process = subprocess.Popen(self.command(), stdout=output, stderr=output, cwd=self.folder, env=given)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                raise RuntimeError(f"{self.name} did not start: {(self.folder / 'output.txt').read_text()[-2000:]}")
            time.sleep(0.002)
        self.ready_after = time.perf_counter() - began
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(15)
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        with suppress(OSError, KeyError):
            socket.create_connection(("127.0.0.1", self.port), timeout=60).close()  # costs the server's start nothing
            status, _ = exchange(self.port, self.signer().json("sagemaker", "SageMaker.ListTrainingJobs", {}))
            return status == 200
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Salvia(Server):
    """`salvia up`, as a user starts it."""

    name = "Salvia"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def command(self) -> list[str]:
        salvia = str(Path(sys.executable).with_name("salvia"))
        return [salvia, "up", "--port", str(self.port), "--data", str(self.data)]

    def signer(self) -> Signer:
        """Raises KeyError before the first start has made root's key."""
        file = configparser.ConfigParser(interpolation=None)
        file.read(self.data / "credentials")
        root = file["default"]
        return Signer(self.port, root["aws_access_key_id"], root["aws_secret_access_key"])


class Bare(Server):
    """uvicorn alone, as fast as anything on it can be: what a request costs before anybody looks at it."""

    name = "bare uvicorn"

    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("bare.py")), str(self.port)]

    def signer(self) -> Signer:
        return Signer(self.port, "AKIAIOSFODNN7EXAMPLE", "nobody-looks")


class Moto(Server):
    """moto_server, in an environment of its own."""

    name = f"moto_server {MOTO}"

    def command(self) -> list[str]:
        return [
            str(environment("moto", [f"moto[server]=={MOTO}"]) / "bin/moto_server"),
            "-H",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]

    def signer(self) -> Signer:
        return Signer(self.port, "AKIAIOSFODNN7EXAMPLE", "moto-takes-any-signature")
