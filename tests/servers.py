"""Real servers for tests: started as a user starts them, on a data folder of their own, and killed as power failures kill them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config

SALVIA = Path(sys.executable).with_name("salvia")
READY_SECONDS = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """One `salvia up` on `data`, with `variables` in its environment; without containers, unless these name a daemon.

    Started again, it has the same port.
    """

    def __init__(self, data: Path, port: int = 0, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self.data = data
        self.environment = {**os.environ, "SALVIA_CONTAINER_SOCKET": "none", **variables}
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self.spawn()
        self.wait_until_ready()
        return self

    def spawn(self) -> None:
        """Start it and do not wait."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [str(SALVIA), "up", *self.where()],
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
            )

    @property
    def output(self) -> Path:
        """What every life of it said."""
        return self.data / f"output-{self.port}.txt"

    def wait_until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)) as connection:
                    connection.request("GET", "/")
                    connection.getresponse().read()
                return
            if self.process and self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"the server did not start:\n{self.output.read_text()}")

    def kill(self) -> None:
        """SIGKILL: the server gets no chance to tidy up; its runs go on."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        self.kill()

    def where(self) -> tuple[str, ...]:
        return "--data", str(self.data), "--port", str(self.port)

    def variables(self) -> dict[str, str]:
        """What `salvia env` says, as a process's whole environment, with nothing of AWS's from outside."""
        told = subprocess.run(
            [str(SALVIA), "env", "--format", "json", *self.where()], check=True, capture_output=True, text=True
        )
        kept = {
            name: value for name, value in os.environ.items() if not name.upper().startswith(("AWS_", "SAGEMAKER_"))
        }
        chosen = {
            name: value for name, value in json.loads(told.stdout).items() if value is not None
        }  # null: to be unset
        return kept | chosen

    def client(self, name: str, told: Mapping[str, str] | None = None, **config: Any) -> Any:
        told = told or self.variables()
        session = boto3.Session(
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=told.get("AWS_SESSION_TOKEN"),
            region_name="us-west-2",
        )
        settings: dict[str, Any] = {"retries": {"max_attempts": 0}, "read_timeout": 30, "connect_timeout": 5} | config
        return session.client(name, endpoint_url=self.url, config=Config(**settings))  # type: ignore[call-overload]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
