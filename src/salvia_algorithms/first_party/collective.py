"""Sums over all hosts of a job: every host gives its part, and every host gets the same result.

The first host adds up, in the order of the hosts, so that all hosts go on with the same bits.
"""

import contextlib
import json
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.meeting import MEETING_SECONDS, attended, gathered
from salvia_container.failure import AlgorithmError
from salvia_container.training import TrainingEnvironment

SILENCE_SECONDS = 30 * 60  # a host may read much data before it has something to say; one that died is noticed at once

Array = npt.NDArray[Any]


class Collective:
    """Where this host stands among the hosts, and the connections to them. With one host every sum is what was given."""

    def __init__(self, rank: int = 0, links: Sequence[socket.socket] = (), hosts: Sequence[str] = ("algo-1",)) -> None:
        self.rank = rank
        self.size = len(hosts)
        self._hosts = hosts
        self._links = links  # of the first host: to all others in order; of the others: to the first

    def sum(self, array: Array) -> Array:
        """The sum over all hosts of arrays that have one shape and type."""
        if self.size == 1:
            return array
        own = np.ascontiguousarray(array)
        total = b"".join(self._reduced(own))
        return np.frombuffer(total, own.dtype).reshape(own.shape).copy()

    def gathered(self, array: Array) -> list[Array]:
        """The arrays of all hosts, in their order; they have one type and, but for the first dimension, one shape."""
        if self.size == 1:
            return [array]
        own = np.ascontiguousarray(array)
        with self._in_touch():
            if self.rank:
                _send(self._links[0], own.tobytes())
                parts = [_receive(self._links[0]) for _ in range(self.size)]
            else:
                parts = [own.tobytes(), *(_receive(link) for link in self._links)]
                for link in self._links:
                    for part in parts:
                        _send(link, part)
        return [np.frombuffer(part, own.dtype).reshape(-1, *own.shape[1:]) for part in parts]

    def all(self, value: Any) -> list[Any]:
        """What every host gave, in the order of the hosts; values are JSON documents."""
        if self.size == 1:
            return [value]
        own = json.dumps(value).encode()
        with self._in_touch():
            if self.rank:
                _send(self._links[0], own)
                return list(json.loads(_receive(self._links[0])))
            everyone = [value, *(json.loads(_receive(link)) for link in self._links)]
            for link in self._links:
                _send(link, json.dumps(everyone).encode())
            return everyone

    def _reduced(self, own: Array) -> Iterator[bytes]:
        with self._in_touch():
            if self.rank:
                _send(self._links[0], own.tobytes())
                yield _receive(self._links[0])
                return
            total = own.copy()
            for link in self._links:
                total += np.frombuffer(_receive(link), own.dtype).reshape(own.shape)
            content = total.tobytes()
            for link in self._links:
                _send(link, content)
            yield content

    @contextlib.contextmanager
    def _in_touch(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise AlgorithmError(f"The hosts {', '.join(self._hosts)} lost touch with each other: {error}") from error


@contextlib.contextmanager
def joined(environment: TrainingEnvironment, patience: float = MEETING_SECONDS) -> Iterator[Collective]:
    """Within this context all hosts of the job are connected; all of them must enter it."""
    hosts, current = environment.hosts, environment.current_host
    if len(hosts) == 1:
        yield Collective()
        return
    if current == hosts[0]:
        with gathered(environment.job_name, hosts, patience) as guests:
            for guest in guests.values():
                guest.tell({"hosts": list(hosts)})
            yield Collective(0, [_patient(guests[host].connection) for host in hosts[1:]], hosts)
        return
    with attended(environment.job_name, hosts, current, {}, patience) as (_, link):
        yield Collective(hosts.index(current), [_patient(link)], hosts)


def _patient(link: socket.socket) -> socket.socket:
    link.settimeout(SILENCE_SECONDS)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _send(link: socket.socket, content: bytes) -> None:
    link.sendall(struct.pack("<Q", len(content)) + content)


def _receive(link: socket.socket) -> bytes:
    (size,) = struct.unpack("<Q", _exactly(link, 8))
    return _exactly(link, size)


def _exactly(link: socket.socket, size: int) -> bytes:
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = link.recv_into(view)
        if not count:
            raise ConnectionError("a host is gone")
        view = view[count:]
    return bytes(content)
