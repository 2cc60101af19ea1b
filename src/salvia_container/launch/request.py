"""What a run is, as the server hands it to the template: one JSON document and a few file descriptors."""

import json
import os
import socket
from dataclasses import asdict, dataclass

MAX_DESCRIPTORS = 5


@dataclass(frozen=True, slots=True)
class Request:
    """`module` is run as `python -m module` by the forked template itself; "" means: execute `arguments` instead.

    `uid` counts only where the template is root; elsewhere there is only one to be. `memory` is in bytes. `read_only` is
    relative to /opt/ml.
    """

    name: str
    module: str
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
    """`folder` is the run's, `log` what stdout and stderr become, `reply` where the supervisor says that it has claimed.

    `group` is the folder of memory control groups, or -1.
    """

    request: int
    folder: int
    log: int
    reply: int
    group: int = -1

    def close(self) -> None:
        for descriptor in (self.request, self.folder, self.log, self.reply, self.group):
            if descriptor >= 0:
                os.close(descriptor)


def send(connection: socket.socket, descriptors: Descriptors) -> None:
    """Raises OSError when the template is gone. The content travels in a file, so that the template never reads it."""
    given = [descriptors.request, descriptors.folder, descriptors.log, descriptors.reply]
    if descriptors.group >= 0:
        given.append(descriptors.group)
    socket.send_fds(connection, [b"run"], given)


def receive(connection: socket.socket) -> Descriptors | None:
    """None when nobody will ask any more."""
    message, given, _, _ = socket.recv_fds(connection, 16, MAX_DESCRIPTORS)
    if not message:
        return None
    return Descriptors(*given)


def write(request: Request) -> int:
    """A file in memory that holds the request."""
    descriptor = os.memfd_create("request", os.MFD_CLOEXEC)
    os.write(descriptor, json.dumps(asdict(request)).encode())
    return descriptor


def read(descriptor: int) -> Request:
    size = os.fstat(descriptor).st_size
    return Request(**json.loads(os.pread(descriptor, size, 0)))
