"""The servers that run on a data folder, found by the files they leave there."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from salvia.cli import Refusal
from salvia.settings import Settings


@dataclass(frozen=True, slots=True)
class Running:
    """One server. `born` is the start time of its process as the kernel counts it, which tells a reused pid apart."""

    pid: int
    born: int
    started: float
    host: str
    port: int
    url: str

    def is_alive(self) -> bool:
        return birth(self.pid) == self.born

    def memory(self) -> int:
        """Bytes of resident memory; 0 when it is gone."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def running(data: Path) -> list[Running]:
    """Every living server on the folder, by port. What a killed one left behind is removed."""
    found = []
    for path in sorted(data.glob("server-*.json")):
        try:
            server = Running(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue
        if server.is_alive():
            found.append(server)
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda server: server.port)


def find(settings: Settings, port: int | None) -> Running | None:
    """The server on the `port` that was asked for; else the one on the usual port, else the only one there is.

    Raises Refusal when several run and none is on the usual port.
    """
    found = {server.port: server for server in running(settings.data)}
    if port is not None:
        return found.get(port)
    if len(found) > 1 and settings.port not in found:
        raise Refusal(f"several servers run on {settings.data}: choose one with --port {' or '.join(map(str, found))}")
    return found.get(settings.port) or next(iter(found.values()), None)


def needed(settings: Settings, port: int | None) -> Running:
    """The server that `find` finds. Raises Refusal when none runs."""
    server = find(settings, port)
    if server is None:
        where = f" on port {port}" if port is not None else ""
        raise Refusal(f"no server runs on {settings.data}{where}; start one with: salvia up", status=3)
    return server


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Only one server has the folder and the port at a time. Raises Refusal when another has.

    Port 0 stands for one that nobody has.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.port == 0:
        yield
        return
    lock = os.open(settings.data / f"server-{settings.port}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"a server runs already on {settings.data} with port {settings.port}") from None
        yield
    finally:
        os.close(lock)


def announce(settings: Settings, url: str) -> Path:
    """Let others find this process as the server at `url`. Returns the file to remove at the end."""
    port = int(url.rpartition(":")[2])
    server = Running(os.getpid(), birth(os.getpid()), time.time(), settings.host, port, url)
    path = settings.data / f"server-{port}.json"
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(server)))
    draft.chmod(0o600)
    draft.replace(path)
    return path


def birth(pid: int) -> int:
    """When the process was started, in the kernel's clock ticks; 0 when there is none, or only its exit status."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state == "Z" else int(fields[18])
