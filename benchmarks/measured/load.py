"""A load client that costs little: connections that send requests made beforehand, one as soon as the last was answered.

A connection is kept for as long as the server keeps it.

    python -m benchmarks.measured.load PORT CONNECTIONS SECONDS REQUESTS

REQUESTS is a pickled list of bytes; with SECONDS 0 each is sent once, else they are sent in turn until the time is over.
Prints one JSON object: `answered`, `refused` (any status but 200), `seconds`, and `latencies` (quantiles, in seconds).
"""

import json
import pickle
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.measured.processes import cpu_alone, cpu_of
from benchmarks.measured.requests import length_of

_LONGEST = 30.0  # seconds that one answer may take


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load cost the server and its clients."""

    answered: int
    seconds: float
    cpu: float  # of the server's processes, for one request
    alone: float  # of the server's own process, without its children, for one request
    p50: float
    p99: float


def loaded(pid: int, port: int, requests: list[bytes], connections: int, seconds: float) -> Round:
    """Runs the client in a process of its own. Raises RuntimeError when a request was refused."""
    with tempfile.NamedTemporaryFile(prefix="salvia-bench-") as file:
        pickle.dump(requests, file)
        file.flush()
        command = [
            sys.executable,
            "-m",
            "benchmarks.measured.load",
            str(port),
            str(connections),
            str(seconds),
            file.name,
        ]
        root = Path(__file__).parents[2]
        before, before_alone = cpu_of(pid), cpu_alone(pid)
        done = subprocess.run(command, cwd=root, check=True, capture_output=True)
        cpu, alone = cpu_of(pid) - before, cpu_alone(pid) - before_alone
    told = json.loads(done.stdout)
    if told["refused"]:
        raise RuntimeError(f"{told['refused']} of {told['answered']} requests were refused: {told['complaint']}")
    answered = told["answered"]
    return Round(answered, told["seconds"], cpu / answered, alone / answered, told["p50"], told["p99"])


@dataclass(slots=True)
class Connection:
    socket: socket.socket
    sent: float = 0.0
    answer: bytearray = field(default_factory=bytearray)


class Client:
    def __init__(self, port: int, seconds: float, requests: list[bytes]) -> None:
        self.port = port
        self.queue: Any = cycle(requests) if seconds else deque(requests)
        self.endless = bool(seconds)
        self.selector = selectors.DefaultSelector()
        self.latencies: list[float] = []
        self.refused = 0
        self.complaint = ""
        self.open = 0

    def run(self, connections: int, seconds: float) -> float:
        began = time.perf_counter()
        until = began + seconds if seconds else float("inf")
        for _ in range(connections):
            self._connect()
        while self.open and time.perf_counter() < until:
            ready = self.selector.select(_LONGEST)
            if not ready:
                raise TimeoutError(f"no answer in {_LONGEST:g} s")
            for key, _ in ready:
                self._receive(key.data)
        return time.perf_counter() - began

    def _connect(self) -> None:
        connection = Connection(socket.create_connection(("127.0.0.1", self.port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        self.open += 1
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        if not self.endless and not self.queue:
            self._close(connection)
            return
        request = next(self.queue) if self.endless else self.queue.popleft()
        connection.sent = time.perf_counter()
        connection.socket.sendall(request)

    def _receive(self, connection: Connection) -> None:
        data = connection.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed a connection without an answer")
        connection.answer += data
        end = length_of(connection.answer)
        if end is None or len(connection.answer) < end:
            return
        self.latencies.append(time.perf_counter() - connection.sent)
        if connection.answer[9:12] != b"200":
            self.refused += 1
            self.complaint = connection.answer.decode(errors="replace")[-300:]
        closes = b"connection: close" in connection.answer[: connection.answer.find(b"\r\n\r\n")].lower()
        connection.answer.clear()
        if closes:
            self._close(connection)
            self._connect()
        else:
            self._send(connection)

    def _close(self, connection: Connection) -> None:
        self.selector.unregister(connection.socket)
        connection.socket.close()
        self.open -= 1


def main() -> None:
    port, connections, seconds, file = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    client = Client(port, seconds, pickle.loads(Path(file).read_bytes()))
    took = client.run(connections, seconds)
    latencies = sorted(client.latencies)
    told = {
        "answered": len(latencies),
        "refused": client.refused,
        "complaint": client.complaint,
        "seconds": took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
