"""What one request of the control plane costs the server: Describe, List and Create of training jobs, beside moto_server.

    python -m benchmarks.control_plane.run [--records 100000] [--seconds 0.5] [--rounds 4] [--no-moto]

Every request is signed with Signature Version 4 and sent by a closed-loop client in a process of its own. CPU is that of
the server's whole process tree for one request; figures are medians over rounds in which the servers take turns. Salvia has
100,000 settled jobs in its table, put there through the table's own port; moto_server has 1,000, since it takes many minutes
to be given more. Bare uvicorn, which reads the same request and sends as many bytes, is the floor, and says how fast the
machine is at the moment.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.control_plane.records import seed
from benchmarks.measured import training
from benchmarks.measured.jobs import ACCOUNT, REGION, asked
from benchmarks.measured.load import Round, loaded
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.servers import Bare, Moto, Salvia, Server

MOTO_RECORDS = 1_000
POLLED = 64  # different jobs that are described again and again, as those who wait for them do
MANY = 5_000  # ... or so many, each seldom
CREATED = 200  # jobs of one round of Create
UNKNOWN_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/nobody-has-this:1"
DESCRIBE_GOAL, LIST_GOAL = 100e-6, 5e-3

Members = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request under one load. `members` makes the inputs of a round from its number and the jobs there are.

    Sent `once`, or again and again. With `alone`, moto_server is not asked.
    """

    name: str
    operation: str
    connections: int
    members: Callable[[int, int], Members]
    goal: float = 0.0
    once: bool = False
    alone: bool = False


def described(different: int) -> Callable[[int, int], Members]:
    """So many different jobs, spread over all there are."""
    return lambda _, jobs: [{"TrainingJobName": f"job-{jobs * number // different:06d}"} for number in range(different)]


def newest(_: int, __: int) -> Members:
    return [{"MaxResults": 50, "SortBy": "CreationTime"}]


def filtered(_: int, __: int) -> Members:
    return [{"MaxResults": 50, "StatusEquals": "Completed", "NameContains": "job-0", "SortBy": "Name"}]


def new(turn: int, _: int) -> Members:
    """They end at once, for their image is unknown: what is counted is Create, and for Salvia the loop's steps."""
    return [asked(f"new-{turn}-{number:05d}", UNKNOWN_IMAGE) for number in range(CREATED)]


CASES = (
    Case("Describe, 1 connection", "Describe", 1, described(POLLED)),
    Case("Describe, 16 connections", "Describe", 16, described(POLLED), DESCRIBE_GOAL),
    Case("Describe, 64 connections", "Describe", 64, described(POLLED), DESCRIBE_GOAL),
    Case(f"Describe of {MANY} jobs in turn, 16 connections", "Describe", 16, described(MANY), alone=True),
    Case("List 50, 1 connection", "List", 1, newest, LIST_GOAL),
    Case("List 50, 16 connections", "List", 16, newest, LIST_GOAL),
    # moto sorts after it has cut the page, so there is nothing to compare with
    Case("List 50 by name and status, 16 connections", "List", 16, filtered, LIST_GOAL, alone=True),
    Case("Create, 16 connections", "Create", 16, new, once=True),
)


class Figures:
    """What the rounds of one case gave, for each server."""

    def __init__(self) -> None:
        self.rounds: dict[type[Server], list[Round]] = {}

    def add(self, server: Server, one: Round) -> None:
        self.rounds.setdefault(type(server), []).append(one)

    def cpu(self, kind: type[Server]) -> float:
        return statistics.median(one.cpu for one in self.rounds[kind])

    def ratio(self, kind: type[Server]) -> float:
        """Of another server's CPU to Salvia's: the median over rounds, since the machine changes from round to round."""
        pairs = zip(self.rounds[kind], self.rounds[Salvia], strict=True)
        return statistics.median(other.cpu / ours.cpu for other, ours in pairs)

    def cells(self, case: Case) -> list[str]:
        ours, cpu = self.rounds[Salvia], self.cpu(Salvia)
        p50 = statistics.median(one.p50 for one in ours)
        rate = statistics.median(one.answered / one.seconds for one in ours)
        floor = f"{self.cpu(Bare) * 1e6:.0f} ({1 / self.ratio(Bare):.1f}x)"
        moto = f"{self.cpu(Moto) * 1e6:.0f} ({self.ratio(Moto):.0f}x)" if Moto in self.rounds else "-"
        goal = [f"{case.goal * 1e6:.0f}", verdict(cpu, case.goal)] if case.goal else ["", ""]
        return [case.name, f"{cpu * 1e6:.0f}", f"{p50 * 1e3:.2f}", f"{rate:.0f}", floor, moto, *goal]


HEAD = ["", "CPU us", "p50 ms", "requests/s", "bare uvicorn (we to it)", "moto (it to us)", "goal us", ""]


def measured(case: Case, servers: dict[Server, int], options: argparse.Namespace) -> Figures:
    figures = Figures()
    asked_now = {server: jobs for server, jobs in servers.items() if not (case.alone and isinstance(server, Moto))}
    signed = {server: requests_of(case, server, 0, jobs) for server, jobs in asked_now.items()}
    for turn in range(options.rounds + 1):
        for server, jobs in asked_now.items():
            requests = requests_of(case, server, turn, jobs) if case.once and turn else signed[server]
            seconds = 0 if case.once else options.seconds
            one = loaded(server.pid, server.port, requests, case.connections, seconds)
            if turn:  # the first round only warms up
                figures.add(server, one)
    return figures


def requests_of(case: Case, server: Server, turn: int, jobs: int) -> list[bytes]:
    sign = server.signer().json
    target = f"SageMaker.{case.operation}TrainingJob{'s' if case.operation == 'List' else ''}"
    return [sign("sagemaker", target, members) for members in case.members(turn, jobs)]


def fill(moto: Moto) -> None:
    sign = moto.signer().json
    names = [f"job-{number:06d}" for number in range(MOTO_RECORDS)]
    requests = [sign("sagemaker", "SageMaker.CreateTrainingJob", asked(name)) for name in names]
    loaded(moto.pid, moto.port, requests, 4, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--no-moto", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as folder, ExitStack() as stack:
        salvia = Salvia(Path(folder, "salvia"))
        seed(salvia.data / "records.sqlite", options.records)
        servers: dict[Server, int] = {stack.enter_context(salvia): options.records}
        servers[stack.enter_context(Bare(Path(folder, "bare")))] = options.records
        training.put_channels(salvia)
        if not options.no_moto:
            moto = stack.enter_context(Moto(Path(folder, "moto")))
            servers[moto] = MOTO_RECORDS
            training.put_channels(moto)
            fill(moto)
        rows = [measured(case, servers, options).cells(case) for case in CASES]
    print(machine())
    print(f"{options.records} jobs here, {MOTO_RECORDS} in {Moto.name}; CPU of the server's processes for one request")
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
