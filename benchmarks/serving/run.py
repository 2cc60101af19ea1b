"""What an invocation costs, from the signed request to the model and back, beside model servers from PyPI that check no signature.

    python -m benchmarks.serving.run [--rounds 3] [--seconds 2] [--peers mms,litserve,bentoml,mlflow,ray] [--no-peers]

One row of csv (JSON where a peer takes no csv) for XGBoost, 100 trees of depth 5, 10 features. All servers are up at once and take
turns, so that a busy machine wrongs nobody. CPU is that of a server's whole process tree for one request: on a machine
that others use too it moves far less than time does. "Inside HTTP" is uvicorn with the model in its own process.
"""

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measured.load import Round, loaded
from benchmarks.measured.processes import memory_of
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.requests import exchange
from benchmarks.measured.servers import Salvia
from benchmarks.serving import deployed
from benchmarks.serving.peers import PEERS, Running

CLIENTS = (1, 16, 64)
MANY = 10_000  # rows of a csv batch
ENDPOINTS = 8
WAKES = 10


@dataclass(slots=True)
class Contender:
    name: str
    pid: int
    port: int
    request: bytes
    rounds: dict[int, list[Round]] = field(default_factory=dict)

    def cpu(self, clients: int) -> float:
        """Microseconds for one request, the median of the rounds."""
        return statistics.median(each.cpu for each in self.rounds[clients]) * 1e6

    def alone(self, clients: int) -> float:
        """The same of its first process without the others: of Salvia, the server without the worker that has the model."""
        return statistics.median(each.alone for each in self.rounds[clients]) * 1e6

    def p50(self, clients: int) -> float:
        """Microseconds, of the best round."""
        return min(each.p50 for each in self.rounds[clients]) * 1e6

    def line(self) -> list[str]:
        cells = [self.name]
        for clients in CLIENTS:
            if clients not in self.rounds:
                cells += ["-"] * 3
                continue
            best = max(each.answered / each.seconds for each in self.rounds[clients])
            cells += [f"{self.cpu(clients):.0f}", f"{self.p50(clients):.0f}", f"{best:.0f}"]
        return cells


@contextlib.contextmanager
def inside(model: Path) -> Iterator[tuple[int, int]]:
    """Pid and port of the HTTP process that has the model inside."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with subprocess.Popen([sys.executable, "-m", "benchmarks.serving.inside", str(port), str(model)]) as process:
        try:
            for _ in range(1000):
                with contextlib.suppress(OSError):
                    exchange(port, plain("/echo", b"x"))
                    break
                time.sleep(0.02)
            yield process.pid, port
        finally:
            process.terminate()


def plain(path: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def take_turns(contenders: list[Contender], rounds: int, seconds: float) -> list[str]:
    """Returns what failed."""
    failed = []
    for number in range(rounds + 1):  # the first warms up and does not count
        for clients in CLIENTS:
            for each in contenders:
                try:
                    found = loaded(each.pid, each.port, [each.request], clients, seconds if number else 0.3)
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    failed.append(f"{each.name} at {clients} clients: {str(error)[-300:]}")
                    continue
                if number:
                    each.rounds.setdefault(clients, []).append(found)
    return failed


def batch(server: Salvia, pid: int, port: int, seconds: float, rounds: int) -> tuple[float, float]:
    """Milliseconds of CPU for a request of MANY rows: through an endpoint, and AWS's container's way inside HTTP."""
    body = deployed.many_rows(MANY)
    ours = server.signer().invoke("endpoint-0", body, "text/csv")
    theirs = plain("/container", body)
    seconds = max(seconds, 4.0)  # on a busy machine the slower way takes more than one for an answer
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        costs[0].append(loaded(server.pid, server.port, [ours], 1, seconds).cpu)
        costs[1].append(loaded(pid, port, [theirs], 1, seconds).cpu)
    return statistics.median(costs[0]) * 1e3, statistics.median(costs[1]) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    chosen = [] if options.no_peers else options.peers.split(",")
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        row = deployed.train(folder)
        (folder / "salvia").mkdir()
        (folder / "salvia/salvia.toml").write_text(f"serverless_idle_seconds = {deployed.IDLE_SECONDS}\n")
        server = running.enter_context(Salvia(folder / "salvia"))
        deployed.upload(server, folder)
        first = deployed.deploy(server, "endpoint-0")
        held = memory_of(server.pid)
        pid, port = running.enter_context(inside(folder / "xgboost-model"))
        said = float(deployed.answer(server, "endpoint-0", row))
        if said != float(exchange(port, plain("/predict", row))[1]):
            sys.exit("the endpoint does not answer what the model says")
        contenders = [
            Contender(
                "Salvia, SigV4 on", server.pid, server.port, server.signer().invoke("endpoint-0", row, "text/csv")
            ),
            Contender("inside HTTP, no platform", pid, port, plain("/predict", row)),
            Contender("HTTP echo, no model", pid, port, plain("/echo", row)),
        ]
        missing = []
        for each in chosen:
            try:
                peer = running.enter_context(Running(PEERS[each], folder / "xgboost-model", row))
            except RuntimeError as error:
                missing.append(str(error))
                continue
            contenders.append(Contender(PEERS[each].name, peer.pid, peer.port, peer.request))
        missing += take_turns(contenders, options.rounds, options.seconds)
        report(contenders, missing)
        together, alone = batch(server, pid, port, options.seconds, options.rounds)
        warm = [deployed.deploy(server, f"endpoint-{number}") for number in range(1, ENDPOINTS)]
        for number in range(ENDPOINTS):
            deployed.answer(server, f"endpoint-{number}", row)
        print(
            f"\ncsv batch of {MANY} rows, ms of CPU: {together:.1f} through an endpoint, AWS's container's way {alone:.1f}"
        )
        print(
            f"CreateEndpoint -> InService: first {first:.2f} s; with a warm environment {statistics.median(warm):.3f} s (median of {len(warm)})"
        )
        all_held = memory_of(server.pid)
        print(
            f"memory: {held / 1e6:.0f} MB with one endpoint, {all_held / 1e6:.0f} MB with {ENDPOINTS}, server and template included"
        )
        woken = deployed.wakes(server, row, WAKES)
        print(
            f"wake of a serverless endpoint: {min(woken):.3f} to {max(woken):.3f} s, median of {WAKES} {statistics.median(woken):.3f}\n"
        )
        goals(contenders, together, alone, (statistics.median(warm), statistics.median(woken)), all_held / 1e6)


def report(contenders: list[Contender], missing: list[str]) -> None:
    print(machine())
    head = ["CPU and p50 in microseconds"]
    for clients in CLIENTS:
        head += [f"c{clients} CPU", "p50", "req/s"]
    print(table(head, [each.line() for each in contenders]))
    ours = contenders[0]
    for clients in CLIENTS:
        if clients in ours.rounds:
            alone, whole = ours.alone(clients), ours.cpu(clients)
            print(
                f"Salvia at c{clients}: the gateway alone {alone:.0f}, the worker that has the model {whole - alone:.0f}"
            )
    for each in missing:
        print(f"not measured: {each}")
    sys.stdout.flush()


def goals(contenders: list[Contender], together: float, alone: float, starts: tuple[float, float], held: float) -> None:
    """`starts` are the seconds of a deployment and of a wake."""
    ours, within, echo, *peers = contenders
    rows = [
        ("p50 at 1 client / inside HTTP", ours.p50(1) / within.p50(1), 1.3),
        ("CPU at 64 clients, the gateway alone / HTTP echo", ours.alone(64) / echo.cpu(64), 2.0),
        ("CPU at 64 clients, the model's worker included / HTTP echo", ours.cpu(64) / echo.cpu(64), 2.0),
        ("csv batch: CPU / AWS's container's way", together / alone, 0.2),
        ("CreateEndpoint -> InService, s", starts[0], 1.0),
        ("wake of a serverless endpoint, s", starts[1], 0.3),
        (f"memory of {ENDPOINTS} endpoints, MB", held, 400.0),
    ]
    measured = [each for each in peers if 16 in each.rounds and 1 in each.rounds]
    if measured:
        best = min(measured, key=lambda each: each.cpu(16))
        rows.insert(1, (f"CPU at 16 clients / best peer ({best.name})", ours.cpu(16) / best.cpu(16), 1 / 3))
        quick = min(measured, key=lambda each: each.p50(1))
        rows.insert(2, (f"p50 at 1 client / quickest peer ({quick.name})", ours.p50(1) / quick.p50(1), 1.0))
    print(
        table(
            ["goal", "found", "at most", ""],
            [[name, f"{found:.2f}", f"{goal:.2f}", verdict(found, goal)] for name, found, goal in rows],
        )
    )


if __name__ == "__main__":
    main()
