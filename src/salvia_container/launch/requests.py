"""What a run is, as the server hands it to a supervisor: one JSON document and a few file descriptors."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import NoReturn

NOT_STARTED = 125  # the exit code of a run whose user code could not be started, as Docker has it


@dataclass(frozen=True, slots=True)
class Request:
    """`module` is run as `python -m module`, `script` as `python script`, by the forked template itself; neither means:
    execute `arguments` instead.

    `uid` counts only where the template is root; elsewhere there is only one to be. `memory` is in bytes. `read_only` is
    relative to /opt/ml.
    """

    name: str
    module: str
    script: str
    arguments: list[str]
    variables: dict[str, str]
    read_only: list[str]
    hostname: str
    hosts: dict[str, str]
    memory: int
    threads: int
    isolated: bool
    uid: int


@dataclass(slots=True)
class Descriptors:
    """`folder` is the run's, `log` what stdout and stderr become, `reply` is closed when the run is claimed (or is not)."""

    request: int
    folder: int
    log: int
    reply: int

    def close(self) -> None:
        for descriptor in (self.request, self.folder, self.log, self.reply):
            os.close(descriptor)


def send(connection: socket.socket, given: Descriptors) -> None:
    """Raises OSError when nobody is left to receive. The content travels in a file, so there is no limit to its size."""
    socket.send_fds(connection, [b"run"], [given.request, given.folder, given.log, given.reply])


def receive(connection: socket.socket) -> Descriptors | None:
    """None when nobody will ask any more."""
    message, given, _, _ = socket.recv_fds(connection, 16, 4)
    return Descriptors(*given) if message else None


def send_order(connection: socket.socket, given: Descriptors) -> None:
    socket.send_fds(connection, [b"run"], [given.request, given.log])


def receive_order(connection: socket.socket) -> tuple[Request, int]:
    """The request and the log's descriptor; the process ends when there will be none."""
    message, given, _, _ = socket.recv_fds(connection, 16, 2)
    if not message:
        _end()
    return read(given[0]), given[1]


def write(request: Request) -> int:
    """A file in memory that holds the request."""
    descriptor = os.memfd_create("request", os.MFD_CLOEXEC)
    data = memoryview(json.dumps(asdict(request)).encode())
    while data:
        data = data[os.write(descriptor, data) :]
    return descriptor


def read(descriptor: int) -> Request:
    size = os.fstat(descriptor).st_size
    return Request(**json.loads(os.pread(descriptor, size, 0)))


def _end() -> NoReturn:
    os._exit(0)
