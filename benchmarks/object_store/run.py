"""The embedded object store beside SeaweedFS and moto_server: the same requests, in turn, in one run.

    python -m benchmarks.object_store.run [--rounds 5] [--seconds 1.5] [--no-moto] [--write]

Requests are signed beforehand with Signature Version 4 and sent over kept connections. Salvia syncs every object to the
disk before it answers; SeaweedFS is told to (`fs.configure -fsync`), which it does not by default; moto keeps objects in
memory. A figure is the median over the rounds, in which the servers take turns. `--write` keeps the tables in README.md.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured.load import loaded
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.requests import Signer, exchange
from benchmarks.measured.servers import Moto, Salvia, Server
from benchmarks.object_store.seaweedfs import SeaweedFs

from salvia.adapters.objects.files import FileObjects
from salvia.ports.object_store import Bucket
from salvia.ports.objects import Placement

BUCKET = "bench"
KIB, MIB = 1024, 1024 * 1024
SMALL, LARGE = os.urandom(KIB), os.urandom(64 * MIB)
KEYS = 200


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of request; `times` of them in a round, or as many as fit."""

    name: str
    connections: int
    requests: Callable[[Signer], list[bytes]]
    times: int = 0
    goal: float = 0.0


def small_puts(signer: Signer) -> list[bytes]:
    return [signer.s3("PUT", f"/{BUCKET}/small/{number:04}", SMALL) for number in range(KEYS)]


def small_gets(signer: Signer) -> list[bytes]:
    return [signer.s3("GET", f"/{BUCKET}/small/{number:04}") for number in range(KEYS)]


def large_put(signer: Signer) -> list[bytes]:
    return [signer.s3("PUT", f"/{BUCKET}/large", LARGE)]


def large_get(signer: Signer) -> list[bytes]:
    return [signer.s3("GET", f"/{BUCKET}/large")]


WORK = (
    Work("put 1 KiB, 1 connection", 1, small_puts, goal=1.0),
    Work("put 1 KiB, 16 connections", 16, small_puts, goal=1.0),
    Work("get 1 KiB, 1 connection", 1, small_gets),
    Work("get 1 KiB, 16 connections", 16, small_gets),
    Work("put 64 MiB", 1, large_put, times=3, goal=0.6),
    Work("get 64 MiB", 1, large_get, times=3, goal=0.6),
)
HEAD = ["", "Salvia ms", "SeaweedFS ms", "moto ms", "to SeaweedFS", "to moto", "goal", ""]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of wall and of server CPU for one request."""

    wall: float
    cpu: float


def measure(server: Server, work: Work, seconds: float) -> Measured:
    requests = work.requests(server.signer())
    if work.times:
        found = loaded(server.pid, server.port, requests * work.times, work.connections, 0)
    else:
        found = loaded(server.pid, server.port, requests, work.connections, seconds)
    return Measured(found.seconds / found.answered, found.cpu)


def compare(servers: list[Server], rounds: int, seconds: float) -> list[list[str]]:
    found: dict[tuple[str, str], list[Measured]] = {}
    for _ in range(rounds):
        for work in WORK:
            for server in servers:
                found.setdefault((work.name, server.name), []).append(measure(server, work, seconds))
    walls = {key: statistics.median(one.wall for one in values) for key, values in found.items()}
    return [cells(work, [walls.get((work.name, server.name), 0.0) for server in servers]) for work in WORK]


def cells(work: Work, walls: list[float]) -> list[str]:
    ours, weed, *rest = walls
    moto = rest[0] if rest else 0.0
    ratio = ours / weed
    return [
        work.name,
        f"{ours * 1e3:.2f}",
        f"{weed * 1e3:.2f}",
        f"{moto * 1e3:.2f}" if moto else "-",
        f"{ratio:.2f}",
        f"{ours / moto:.2f}" if moto else "-",
        f"{work.goal:.1f}" if work.goal else "",
        verdict(ratio, work.goal) if work.goal else "",
    ]


async def input_view(folder: Path, rounds: int) -> float:
    """Seconds to give a run 1,000 objects of 250 KB in all 250 MB; the median."""
    objects = FileObjects(folder / "objects")
    await objects.store.buckets.create(Bucket(BUCKET, "000000000000", "us-east-1", 0.0))
    data = os.urandom(250_000)
    for start in range(0, 1000, 50):
        await asyncio.gather(*(objects.put(BUCKET, f"in/{start + i:04}", data) for i in range(50)))
    times = []
    for number in range(rounds):
        began = time.perf_counter()
        listed = await objects.list(BUCKET, "in/")
        await objects.place([Placement(BUCKET, info.key, folder / f"run{number}" / info.key) for info in listed])
        times.append(time.perf_counter() - began)
    objects.close()
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--no-moto", action="store_true")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as name:
        folder = Path(name)
        servers: list[Server] = [Salvia(folder / "salvia"), SeaweedFs(folder / "weed")]
        servers += [] if chosen.no_moto else [Moto(folder / "moto")]
        try:
            for server in servers:
                server.start()
                if isinstance(server, SeaweedFs):
                    server.sync_every_write()
                status, body = exchange(server.port, _create_bucket(server.signer()))
                if status != 200:
                    raise RuntimeError(f"{server.name} made no bucket: {body.decode()}")
                loaded(server.pid, server.port, small_puts(server.signer()), 4, 0)
            lines = table(HEAD, compare(servers, chosen.rounds, chosen.seconds))
        finally:
            for server in servers:
                server.stop()
        view = asyncio.run(input_view(folder, chosen.rounds))
    report = f"{lines}\n\n1,000 objects / 250 MB for a run: {view * 1e3:.0f} ms (goal 100 ms: {verdict(view, 0.1)})\n{machine()}"
    print(report)
    if chosen.write:
        write(report)


def _create_bucket(signer: Signer) -> bytes:
    region = (
        b"<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>"
    )
    return signer.s3("PUT", f"/{BUCKET}", region)


def write(report: str) -> None:
    text = f"# The object store beside SeaweedFS and moto\n\n{(__doc__ or '').strip()}\n\n```\n{report}\n```\n"
    Path(__file__).with_name("README.md").write_text(text)


if __name__ == "__main__":
    main()
