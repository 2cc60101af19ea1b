"""Where the hosts of a job meet before they train together.

The first host listens; every other one comes and says something of itself. When all are there, the first answers them all.
The meeting point is the first free port of a sequence that follows from the job's name, and answers only its own job: jobs
that share a network do not meet each other.
"""

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salvia_container.failure import AlgorithmError, PlatformError

MEETING_SECONDS = 15 * 60  # instances may start minutes apart
PORTS = 16
RETRY_SECONDS = 0.05
LARGEST_MESSAGE = 1 << 16

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Guest:
    """A host that came: what it said, and the open connection to it, which whoever gathered the hosts closes."""

    connection: socket.socket
    said: Message

    def tell(self, message: Message) -> None:
        send(self.connection, message)


@contextlib.contextmanager
def gathered(job: str, hosts: tuple[str, ...], patience: float = MEETING_SECONDS) -> Iterator[Mapping[str, Guest]]:
    """On the first host: all the others, by name. Their connections close at the end of the context.

    Raises PlatformError when one does not come within `patience` seconds.
    """
    present: dict[str, Guest] = {}
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_meeting_point(job, hosts))
        deadline = time.monotonic() + patience
        while len(present) < len(hosts) - 1:
            listener.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                missing = ", ".join(host for host in hosts[1:] if host not in present)
                raise PlatformError(f"Hosts did not come in time: {missing}") from None
            hello = receive(connection, patience=10)
            if hello.get("job") != job or hello.get("host") not in hosts[1:]:
                connection.close()  # someone else's host: it will look further
                continue
            stack.callback(connection.close)
            send(connection, {"job": job})
            present[hello["host"]] = Guest(connection, hello)
        yield present


@contextlib.contextmanager
def attended(
    job: str, hosts: tuple[str, ...], current_host: str, said: Message, patience: float = MEETING_SECONDS
) -> Iterator[tuple[Message, socket.socket]]:
    """On every other host: the first host's answer, and the connection to it, open within the context.

    Raises PlatformError when the first host cannot be found within `patience` seconds, AlgorithmError when it is lost.
    """
    deadline = time.monotonic() + patience
    link = _found(job, hosts, current_host, said, deadline)
    with link:
        plan = receive(link, patience=max(deadline - time.monotonic(), 0.001))
        if not plan:
            raise AlgorithmError(f"Host {hosts[0]} failed before training began")
        yield plan, link


def address_of(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise PlatformError(f"Host {host} does not resolve") from error


def send(connection: socket.socket, message: Message) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket, patience: float) -> Message:
    """One line of JSON; {} when the other side closed, kept silent or spoke otherwise."""
    connection.settimeout(patience)
    data = bytearray()
    try:
        while not data.endswith(b"\n") and len(data) < LARGEST_MESSAGE:
            piece = connection.recv(1)  # byte by byte: the next message may already be behind this one
            if not piece:
                break
            data += piece
        message = json.loads(data)
    except (OSError, ValueError):
        return {}
    return message if isinstance(message, dict) else {}


def _meeting_point(job: str, hosts: tuple[str, ...]) -> socket.socket:
    for port in ports_of(job):
        with contextlib.suppress(OSError):
            return socket.create_server((address_of(hosts[0]), port), backlog=len(hosts))
    raise PlatformError("No free port for the hosts of this job to meet")


def _found(job: str, hosts: tuple[str, ...], current_host: str, said: Message, deadline: float) -> socket.socket:
    while time.monotonic() < deadline:
        for port in ports_of(job):
            with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
                link = stack.enter_context(socket.create_connection((address_of(hosts[0]), port), timeout=10))
                send(link, {**said, "job": job, "host": current_host})
                if receive(link, patience=10).get("job") == job:
                    stack.pop_all()
                    return link
        time.sleep(RETRY_SECONDS)
    raise PlatformError(f"Host {hosts[0]} did not come")


def ports_of(job: str) -> list[int]:
    """Where to meet: ports below the range that systems hand out by themselves."""
    digest = hashlib.sha256(job.encode()).digest()
    start = int.from_bytes(digest[:4], "big")
    return [10_000 + (start + step * 1013) % 20_000 for step in range(PORTS)]
