"""How soon a user's PyTorch script speaks, what a second instance costs, and how busy a queue of short jobs keeps the machine.

    python -m benchmarks.script_mode.run [--jobs 9] [--queued 200] [--no-start]

The start: from CreateTrainingJob to the first line that the user's own script prints, which imports torch; beside a fresh
interpreter of the same environment that does the same. Two instances: a job on two, beside the same on one, from Create
to TrainingEndTime; each instance greets the other. The queue: jobs that sleep for one second, each of which has the whole
of a machine with two cores, all created at once; busy is the time in which a job had the machine, of all the time from the
first job's start to the last one's end.
"""

import argparse
import io
import statistics
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.measured.jobs import ACCOUNT, BUCKET, REGION, ROLE
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.servers import Salvia
from benchmarks.measured.training import ask, put, put_channels

from salvia.adapters.images.local import LocalImages
from salvia.settings import Settings

PYTORCH = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/pytorch-training:2.1.0-cpu-py310"
START_GOAL, BUSY_GOAL = 0.3, 0.9
SCRIPT = 'import torch\nprint("the user speaks", torch.ones(2).sum().item(), flush=True)\n'
PAIR = (
    "import os, socket, time\n"
    "hosts, mine, port = os.environ['HOSTS'].split(), os.environ['CURRENT_HOST'], int(os.environ['PORT'])\n"
    "if len(hosts) > 1 and mine == hosts[0]:\n"
    "    socket.create_server((mine, port)).accept()[0].recv(9)\n"
    "while len(hosts) > 1 and mine != hosts[0]:\n"
    "    try: socket.create_connection((hosts[0], port)).send(b'greetings'); break\n"
    "    except OSError: time.sleep(0.002)\n"
)
REST = 0.3  # seconds between jobs, in which the next supervisor is made ready


def request(name: str, image: str, instances: int = 1, **algorithm: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File", **algorithm},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": instances, "VolumeSizeInGB": 1},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def create(server: Salvia, asked: dict[str, Any]) -> None:
    ask(server, "SageMaker.CreateTrainingJob", asked)


def ended(server: Salvia, name: str) -> dict[str, Any]:
    """Raises RuntimeError when the job does not complete."""
    while True:
        described = ask(server, "SageMaker.DescribeTrainingJob", {"TrainingJobName": name})
        if described["TrainingJobStatus"] == "Completed":
            return described
        if described["TrainingJobStatus"] != "InProgress":
            raise RuntimeError(f"{name}: {described.get('FailureReason')}")
        time.sleep(0.05)


def put_script(server: Salvia) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(SCRIPT)
        tar.addfile(member, io.BytesIO(SCRIPT.encode()))
    put(server, server.signer().s3("PUT", f"/{BUCKET}/code/sourcedir.tar.gz", packed.getvalue()))


def first_line(server: Salvia, name: str) -> float:
    """Seconds from Create until the user's own line stands in the log's file."""
    script = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": f'"s3://{BUCKET}/code/sourcedir.tar.gz"'}
    began = time.perf_counter()
    create(server, request(name, PYTORCH) | {"HyperParameters": script})
    group = quote("/aws/sagemaker/TrainingJobs", safe="")
    folder = Path(server.data, "logs", ACCOUNT, REGION, group)
    while time.perf_counter() - began < 900:
        if any(b"the user speaks" in path.read_bytes() for path in folder.glob(f"{quote(name, safe='')}%2F*.log")):
            seconds = time.perf_counter() - began
            ended(server, name)
            return seconds
        time.sleep(0.002)
    raise RuntimeError(f"{name} never spoke")


def fresh() -> float:
    """Seconds until an interpreter that is started afresh has said the same."""
    settings = Settings.load(data=Path("/nonexistent"))
    python = settings.environments / LocalImages(settings.environments).resolve(PYTORCH).name / "bin/python"
    began = time.perf_counter()
    subprocess.run([str(python), "-c", SCRIPT], check=True, capture_output=True)
    return time.perf_counter() - began


def whole(server: Salvia, name: str, instances: int) -> float:
    hosts = " ".join(f"algo-{number}" for number in range(1, instances + 1))
    asked = request(
        name,
        "python:3",
        instances,
        ContainerEntrypoint=["python", "-c"],
        ContainerArguments=["exec(__import__('os').environ['CODE'])"],
    )
    create(server, asked | {"Environment": {"HOSTS": hosts, "PORT": "7611", "CODE": PAIR}})
    described = ended(server, name)
    return float(described["TrainingEndTime"] - described["CreationTime"])


def queue(server: Salvia, count: int) -> tuple[float, bool]:
    """The share of the time in which a job had the machine, and whether they ran in the order in which they came."""
    names = [f"queued-{number}" for number in range(count)]
    for name in names:
        create(server, request(name, "python:3", ContainerEntrypoint=["sleep", "1"]))
    jobs = []
    for name in names:
        jobs.append(ended(server, name))
        time.sleep(0.2)
    starts = [job["TrainingStartTime"] for job in jobs]
    last = max(uploading(job) for job in jobs)
    busy = sum(uploading(job) - job["TrainingStartTime"] for job in jobs)
    return busy / (last - starts[0]), starts == sorted(starts)


def uploading(job: dict[str, Any]) -> float:
    """When its processes had ended."""
    steps = {step["Status"]: step["StartTime"] for step in job["SecondaryStatusTransitions"]}
    return float(steps["Uploading"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=9)
    parser.add_argument("--queued", type=int, default=200)
    parser.add_argument(
        "--no-start", action="store_true", help="leave PyTorch out, whose environment takes 0.7 GB to download"
    )
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as folder, Salvia(Path(folder, "salvia")) as server:
        put_channels(server)
        put_script(server)
        if not options.no_start:
            cold = first_line(server, "cold")
            warm: list[float] = []
            peers: list[float] = []
            for number in range(options.jobs):
                time.sleep(REST)
                warm.append(first_line(server, f"warm-{number}"))
                peers.append(fresh() if number % 3 == 0 else peers[-1])
            median, peer = statistics.median(warm), statistics.median(peers)
            goal = [f"{START_GOAL:g}", verdict(median, START_GOAL)]
            rows.append(
                [
                    "Create -> the user's first line, s",
                    f"{median:.3f}",
                    f"{min(warm):.3f} - {max(warm):.3f}",
                    f"fresh interpreter {peer:.2f} ({peer / median:.1f}x)",
                    *goal,
                ]
            )
            rows.append(["  the first job of a server, s", f"{cold:.3f}", "", "", "", ""])
        pairs = [
            (whole(server, f"one-{number}", 1), whole(server, f"two-{number}", 2)) for number in range(options.jobs)
        ]
        one, two = (statistics.median(side) for side in zip(*pairs, strict=True))
        rows.append(
            [
                "two instances, Create -> TrainingEndTime, s",
                f"{two:.3f}",
                "",
                f"one instance {one:.3f} (+{two - one:.3f} s)",
                "",
                "",
            ]
        )
        if options.queued:
            busy, in_order = queue(server, options.queued)
            rows.append(
                [
                    f"{options.queued} queued jobs of 1 s: busy",
                    f"{busy:.1%}",
                    "in order" if in_order else "NOT in order",
                    "",
                    f"{BUSY_GOAL:.0%}",
                    verdict(-busy, -BUSY_GOAL),
                ]
            )
    print(machine())
    print(table(["", "Salvia", "min - max", "peer", "goal", ""], rows))


if __name__ == "__main__":
    main()
