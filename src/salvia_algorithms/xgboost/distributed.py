"""Several instances as one: who takes part, and the collective they train in.

The first host gathers all others at a small meeting point of its own, where each says whether it has data. Then it
starts XGBoost's tracker on a port the system chooses, and tells those with data where it is. The meeting point listens on
the first free port of a sequence that follows from the job's name, and answers only its own job: jobs that share a
network do not meet each other.
"""

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

from salvia_container.failure import AlgorithmError, PlatformError, UserError

MEETING_SECONDS = 15 * 60  # instances may start minutes apart
COLLECTIVE_SECONDS = 300
PORTS = 16
RETRY_SECONDS = 0.05
LARGEST_MESSAGE = 1 << 16

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts with data, and this one's place among them. `rank` 0 saves the model; None: this host takes no part."""

    members: tuple[str, ...]
    rank: int | None


@contextlib.contextmanager
def joined(
    job: str, hosts: tuple[str, ...], current_host: str, *, has_data: bool, patience: float = MEETING_SECONDS
) -> Iterator[Cluster]:
    """Within this context, XGBoost's collective joins all hosts that have data. All hosts of the job must enter it."""
    deadline = time.monotonic() + patience
    with contextlib.ExitStack() as stack:
        stack.enter_context(_in_touch(hosts))
        if current_host != hosts[0]:
            plan = _attend(job, hosts, current_host, has_data=has_data, deadline=deadline)
        else:
            listener = stack.enter_context(_meeting_point(job, hosts))
            present = _gather(listener, job, hosts, deadline)
            members = [host for host in hosts if (has_data if host == current_host else present[host].has_data)]
            plan = {"members": members, "tracker": stack.enter_context(_tracker(hosts, members))}
            for guest in present.values():
                guest.tell(plan)
        yield stack.enter_context(_member(plan, current_host))


@dataclass(frozen=True, slots=True)
class _Guest:
    connection: socket.socket
    has_data: bool

    def tell(self, plan: Message) -> None:
        with self.connection:
            _send(self.connection, plan)


@contextlib.contextmanager
def _member(plan: Message, current_host: str) -> Iterator[Cluster]:
    members = tuple(plan["members"])
    if not members:
        raise UserError("No hosts received training data.")
    if current_host not in members:
        yield Cluster(members, None)
        return
    if len(members) == 1:
        yield Cluster(members, 0)
        return
    arguments = {
        **plan["tracker"],
        "dmlc_communicator": "rabit",
        "dmlc_task_id": f"{members.index(current_host):06d}",  # the tracker ranks by it
        "dmlc_timeout": COLLECTIVE_SECONDS,
    }
    with collective.CommunicatorContext(**arguments):
        yield Cluster(members, collective.get_rank())


@contextlib.contextmanager
def _in_touch(hosts: tuple[str, ...]) -> Iterator[None]:
    """What the collective and its tracker say when a host is gone, in words."""
    try:
        yield
    except XGBoostError as error:
        told = str(error).split("Stack trace", maxsplit=1)[0].strip()
        raise AlgorithmError(f"The hosts {', '.join(hosts)} lost touch with each other: {told}") from error


@contextlib.contextmanager
def _tracker(hosts: tuple[str, ...], members: list[str]) -> Iterator[Message]:
    if len(members) < 2:
        yield {}
        return
    tracker = RabitTracker(n_workers=len(members), host_ip=_address(hosts[0]), port=0, sortby="task")
    tracker.start()
    try:
        yield dict(tracker.worker_args())
        tracker.wait_for()  # this host may have no data: the tracker must outlive the others' training
    finally:
        with contextlib.suppress(XGBoostError):  # after a failure there may be nothing left to free
            tracker.free()


def _meeting_point(job: str, hosts: tuple[str, ...]) -> socket.socket:
    for port in _ports(job):
        with contextlib.suppress(OSError):
            return socket.create_server((_address(hosts[0]), port), backlog=len(hosts))
    raise PlatformError("No free port for the hosts of this job to meet")


def _gather(listener: socket.socket, job: str, hosts: tuple[str, ...], deadline: float) -> dict[str, _Guest]:
    present: dict[str, _Guest] = {}
    while len(present) < len(hosts) - 1:
        listener.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            missing = ", ".join(host for host in hosts[1:] if host not in present)
            raise PlatformError(f"Hosts did not come in time: {missing}") from None
        hello = _receive(connection, patience=10)
        if hello.get("job") != job or hello.get("host") not in hosts[1:]:
            connection.close()  # someone else's host: it will look further
            continue
        _send(connection, {"job": job})
        present[hello["host"]] = _Guest(connection, bool(hello["has_data"]))
    return present


def _attend(job: str, hosts: tuple[str, ...], current_host: str, *, has_data: bool, deadline: float) -> Message:
    """Finds the first host's meeting point and waits there until all have come; returns what was decided."""
    while time.monotonic() < deadline:
        for port in _ports(job):
            with contextlib.suppress(OSError), socket.create_connection((_address(hosts[0]), port), timeout=10) as link:
                _send(link, {"job": job, "host": current_host, "has_data": has_data})
                if _receive(link, patience=10).get("job") != job:
                    continue
                plan = _receive(link, patience=max(deadline - time.monotonic(), 0.001))
                if plan:
                    return plan
                raise AlgorithmError(f"Host {hosts[0]} failed before training began")
        time.sleep(RETRY_SECONDS)
    raise PlatformError(f"Host {hosts[0]} did not come")


def _ports(job: str) -> list[int]:
    """Where to meet: ports below the range that systems hand out by themselves."""
    digest = hashlib.sha256(job.encode()).digest()
    start = int.from_bytes(digest[:4], "big")
    return [10_000 + (start + step * 1013) % 20_000 for step in range(PORTS)]


def _address(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise PlatformError(f"Host {host} does not resolve") from error


def _send(connection: socket.socket, message: Message) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket, patience: float) -> Message:
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
