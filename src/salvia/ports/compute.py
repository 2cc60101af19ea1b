"""Where runs execute: one run is one container of one instance of a job."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What to start. `name` is derived from the resource's ARN and is the run's identity.

    `read_only` are paths below /opt/ml that the run may not write (input channels made of hard links).
    `hosts` maps host names to addresses, for /etc/hosts. `memory` is in bytes. `image` is what Images.resolve named.
    A `command` that begins with "" follows the entry point of a real image; any other replaces it.
    `shares` are the CPUs and bytes of every instance of the job, in the order of `hosts`, where there are several; their names
    differ in their ends only, which are their host names. One that `serves` is dialled, so it runs on the server's machine.
    """

    name: str
    image: str
    command: tuple[str, ...]
    log: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    read_only: tuple[str, ...] = ()
    hostname: str = "algo-1"
    hosts: Mapping[str, str] = field(default_factory=lambda: {"algo-1": "127.0.1.1"})
    cpus: float = 1.0
    memory: int = 1 << 30
    isolated: bool = False  # no network at all: EnableNetworkIsolation
    shares: tuple[tuple[float, int], ...] = ()
    serves: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What is observed of a run. `exit_code` is None while it runs; a signal's number is negative.

    One that `waits` was taken and has not begun, because no machine has room for it yet; `started` is now, then.
    `cause` says what the exit code cannot: "OutOfMemory", "DiskFull", "Lost" (its supervisor died with the machine),
    "NotStarted" (user code never ran; the log says why), or "".
    """

    name: str
    started: float
    exit_code: int | None = None
    ended: float | None = None
    cause: str = ""
    waits: bool = False


class CannotLaunchError(RuntimeError):
    """A run cannot be started on this machine, however often it is asked; the text says why, in words for a FailureReason."""


class Compute(Protocol):
    """Runs containers that outlive the server.

    `launch` is idempotent by name: however often it is called, by however many servers, user code starts at most once.
    `folder` is the host's view of the run's /opt/ml: what is written there before launch is what the run sees, what the
    run leaves there can be read until `remove`. What is put beside that folder no run sees, and `remove` takes it along;
    but what stands in `feed` there is fed into FIFOs below input/data while the run lives (salvia_container.feed).
    `stop` sends SIGTERM and, `grace` seconds later, SIGKILL; it returns at once.
    `on_change` is called with a run's name soon after it ended (a hint to look again, never the truth).
    """

    def folder(self, name: str) -> Path: ...

    async def dial(self, name: str) -> socket.socket:
        """A connection to what the run serves: a connected stream socket that does not block, the caller's to close.

        A Unix socket speaks frames (salvia_container.serving.frames), any other HTTP/1.1. Raises ConnectionRefusedError
        while nothing answers there, which is also so for a run that has ended or never was.
        """
        ...

    async def find(self, name: str) -> Run | None: ...

    async def launch(self, spec: RunSpec) -> Run: ...

    async def stop(self, name: str, grace: float) -> None: ...

    async def remove(self, name: str) -> None: ...

    def capacity(self) -> tuple[float, int]:
        """CPUs and bytes of memory that runs may use in all."""
        ...

    def on_change(self, call: Callable[[str], None]) -> None: ...
