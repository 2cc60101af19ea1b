"""What one request of the control plane costs the server: Describe, List and Create of training jobs, beside moto_server.

    python -m benchmarks.control_plane.run [--records 100000] [--seconds 0.8] [--rounds 3] [--no-moto]

Every request is signed with Signature Version 4. CPU is that of the server's whole process tree for one request, the
median of several rounds of a closed-loop client in a process of its own. Salvia has 100,000 settled jobs in its table, put
there through the table's own port; moto_server has 1,000, since it takes many minutes to be given more. Bare uvicorn, which
reads the same request and sends as many bytes, says how fast the machine is at the moment.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import training
from benchmarks.measured.jobs import ACCOUNT, REGION, asked
from benchmarks.measured.load import Round, loaded
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.requests import Signer
from benchmarks.measured.servers import Bare, Moto, Salvia, Server

from salvia.adapters.table.sqlite import SqliteTable
from salvia.ports.table import Record
from salvia.services.sagemaker.training.request import admitted

MOTO_RECORDS = 1_000
POLLED = 64  # different jobs that are described again and again, as those who wait for them do
MANY = 5_000  # ... or so many, each seldom
CREATED = 300  # jobs of one round of Create
UNKNOWN_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/nobody-has-this:1"
DESCRIBE_GOAL, LIST_GOAL = 100e-6, 5e-3


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of request under one load."""

    name: str
    ours: Round
    theirs: Round | None
    goal: float = 0.0

    def cells(self) -> list[str]:
        theirs = self.theirs
        return [
            self.name,
            f"{self.ours.cpu * 1e6:.0f}",
            f"{self.ours.p50 * 1e3:.2f}",
            f"{self.ours.answered / self.ours.seconds:.0f}",
            f"{theirs.cpu * 1e6:.0f}" if theirs else "-",
            f"{theirs.p50 * 1e3:.2f}" if theirs else "-",
            f"{theirs.cpu / self.ours.cpu:.0f}x" if theirs else "-",
            f"{self.goal * 1e6:.0f}" if self.goal else "",
            verdict(self.ours.cpu, self.goal) if self.goal else "",
        ]


HEAD = ["", "CPU us", "p50 ms", "requests/s", "moto CPU us", "p50 ms", "ratio", "goal us", ""]


def seed(path: Path, count: int) -> None:
    """`count` completed jobs, as the server would have left them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    asyncio.run(_seed(SqliteTable(path), count))


async def _seed(records: SqliteTable, count: int) -> None:
    now = time.time()
    for number in range(count):
        await records.insert(settled(number, now - (count - number) * 60))
    await records.close()


def settled(number: int, created: float) -> Record:
    name = f"job-{number:06d}"
    started, ended = created + 0.1, created + 0.9
    steps = [("Starting", created), ("Downloading", created), ("Training", started), ("Uploading", ended)]
    transitions = [
        {"Status": step, "StartTime": at, "EndTime": ended, "StatusMessage": f"{step} the training job"}
        for step, at in steps
    ]
    metrics = [
        {"MetricName": f"{channel}:rmse", "Value": 2.2, "Timestamp": ended} for channel in ("train", "validation")
    ]
    return Record(
        kind="TrainingJob",
        account=ACCOUNT,
        region=REGION,
        key=name,
        arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
        created=created,
        modified=ended,
        spec=admitted(asked(name)),
        status={
            "SecondaryStatus": "Completed",
            "SecondaryStatusTransitions": transitions,
            "TrainingStartTime": started,
            "TrainingEndTime": ended,
            "TrainingTimeInSeconds": 1,
            "BillableTimeInSeconds": 1,
            "FinalMetricDataList": metrics,
        },
        name=name,
        state="Completed",
    )


def fill_moto(server: Moto, count: int) -> None:
    sign = server.signer().json
    requests = [sign("sagemaker", "SageMaker.CreateTrainingJob", asked(f"job-{number:06d}")) for number in range(count)]
    loaded(server.pid, server.port, requests, 4, 0)


def measured(server: Server, requests: list[bytes], connections: int, options: argparse.Namespace) -> Round:
    """The round with the median CPU."""
    loaded(server.pid, server.port, requests, connections, 0.3)
    rounds = [loaded(server.pid, server.port, requests, connections, options.seconds) for _ in range(options.rounds)]
    return sorted(rounds, key=lambda one: one.cpu)[len(rounds) // 2]


def describes(sign: Signer, records: int, different: int) -> list[bytes]:
    """Of so many different jobs, spread over the whole table."""
    names = [f"job-{records * number // different:06d}" for number in range(different)]
    return [sign.json("sagemaker", "SageMaker.DescribeTrainingJob", {"TrainingJobName": name}) for name in names]


def lists(sign: Signer) -> list[bytes]:
    return [sign.json("sagemaker", "SageMaker.ListTrainingJobs", {"MaxResults": 50, "SortBy": "CreationTime"})]


def filtered(sign: Signer) -> list[bytes]:
    members = {"MaxResults": 50, "StatusEquals": "Completed", "NameContains": "job-0", "SortBy": "Name"}
    return [sign.json("sagemaker", "SageMaker.ListTrainingJobs", members)]


def create(server: Server, options: argparse.Namespace) -> Round:
    """Jobs that end at once, for their image is unknown: what is counted is Create, and for Salvia the loop's one step."""
    rounds = []
    training.put_channels(server)
    for turn in range(options.rounds):
        names = [f"new-{turn}-{number:05d}" for number in range(CREATED)]
        sign = server.signer().json
        requests = [sign("sagemaker", "SageMaker.CreateTrainingJob", asked(name, UNKNOWN_IMAGE)) for name in names]
        rounds.append(loaded(server.pid, server.port, requests, 16, 0))
    return sorted(rounds, key=lambda one: one.cpu)[len(rounds) // 2]


def rounds_of(server: Server, records: int, options: argparse.Namespace) -> dict[str, Round]:
    sign = server.signer()
    found: dict[str, Round] = {}
    for connections in (1, 16, 64):
        requests = describes(sign, records, POLLED)
        found[f"Describe, {connections} connection{'s'[: connections - 1]}"] = measured(
            server, requests, connections, options
        )
    if records >= MANY:
        requests = describes(sign, records, MANY)
        found[f"Describe of {MANY} jobs in turn, 16 connections"] = measured(server, requests, 16, options)
    found["List 50, 1 connection"] = measured(server, lists(sign), 1, options)
    found["List 50, 16 connections"] = measured(server, lists(sign), 16, options)
    if isinstance(server, Salvia):  # moto sorts after it has cut the page, so there is nothing to compare with
        found["List 50 by name and status, 16 connections"] = measured(server, filtered(sign), 16, options)
    found["Create, 16 connections"] = create(server, options)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.8, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-moto", action="store_true")
    options = parser.parse_args()
    theirs: dict[str, Round] = {}
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as folder:
        salvia = Salvia(Path(folder, "salvia"))
        seed(salvia.data / "records.sqlite", options.records)
        with salvia:
            ours = rounds_of(salvia, options.records, options)
        with Bare(Path(folder, "bare")) as bare:
            floor = {
                f"bare uvicorn, {n} connections": measured(bare, lists(bare.signer()), n, options) for n in (16, 64)
            }
        if not options.no_moto:
            with Moto(Path(folder, "moto")) as moto:
                fill_moto(moto, MOTO_RECORDS)
                theirs = rounds_of(moto, MOTO_RECORDS, options)
    print(machine())
    print(f"{options.records} jobs here, {MOTO_RECORDS} in {Moto.name}; CPU of the server's processes for one request")
    lines = [Line(name, one, theirs.get(name), _goal(name)) for name, one in (ours | floor).items()]
    print(table(HEAD, [line.cells() for line in lines]))


def _goal(name: str) -> float:
    if name.startswith("Describe") and not name.endswith("1 connection"):
        return DESCRIBE_GOAL
    return LIST_GOAL if name.startswith("List") else 0.0


if __name__ == "__main__":
    main()
