"""One training job from the outside: its bucket and channels put there, the job created, and followed to its end."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.measured.jobs import ACCOUNT, BUCKET, REGION, abalone, asked
from benchmarks.measured.requests import exchange
from benchmarks.measured.servers import Salvia, Server

_LOOK_SECONDS = 0.002
_LONGEST = 600.0  # the first job may have to wait until its environment is built
_GROUP = "/aws/sagemaker/TrainingJobs"


@dataclass(frozen=True, slots=True)
class Job:
    """Seconds since just before Create was sent, and what Describe said in the end.

    `printed` is when the first byte stood in the log, `visible` when GetLogEvents gave it, `settled` when Describe said
    Completed; `whole` is what Describe tells: TrainingEndTime less CreationTime.
    """

    created: float
    printed: float
    visible: float
    settled: float
    whole: float
    described: dict[str, Any]


def put_channels(server: Server) -> None:
    """The bucket, and the data that CreateTrainingJob looks for."""
    sign = server.signer()
    where = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    put(server, sign.s3("PUT", f"/{BUCKET}", where.encode()))
    for name, data in abalone().items():
        put(server, sign.s3("PUT", f"/{BUCKET}/abalone/{name}/{name}.csv", data))


def put(server: Server, request: bytes) -> None:
    status, said = exchange(server.port, request)
    if status not in {200, 409}:
        raise RuntimeError(f"{request.split(b' HTTP')[0].decode()}: {status} {said.decode(errors='replace')}")


def ask(server: Salvia, target: str, members: dict[str, Any], service: str = "sagemaker") -> dict[str, Any]:
    """Raises RuntimeError for any answer but 200."""
    status, said = exchange(server.port, server.signer().json(service, target, members))
    if status != 200:
        raise RuntimeError(f"{target}: {status} {said.decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(said)
    return answer


def run(server: Salvia, name: str) -> Job:
    """Raises RuntimeError when the job does not complete."""
    create = server.signer().json("sagemaker", "SageMaker.CreateTrainingJob", asked(name))
    began = time.perf_counter()
    status, said = exchange(server.port, create)
    created = time.perf_counter() - began
    if status != 200:
        raise RuntimeError(f"CreateTrainingJob: {status} {said.decode(errors='replace')}")
    first: dict[str, float] = {}
    while True:
        now = time.perf_counter() - began
        if "printed" not in first and has_printed(server, name):
            first["printed"] = now
        if "printed" in first and "visible" not in first and lines(server, name):
            first["visible"] = time.perf_counter() - began
        if "visible" in first or now > _LONGEST or int(now / _LOOK_SECONDS) % 100 == 0:
            described = ask(server, "SageMaker.DescribeTrainingJob", {"TrainingJobName": name})
            if described["TrainingJobStatus"] != "InProgress" or now > _LONGEST:
                break
        time.sleep(_LOOK_SECONDS)
    settled = time.perf_counter() - began
    if described["TrainingJobStatus"] != "Completed":
        raise RuntimeError(f"{name}: {described['TrainingJobStatus']}: {described.get('FailureReason')}")
    whole = described["TrainingEndTime"] - described["CreationTime"]
    return Job(created, first["printed"], first.get("visible", settled), settled, whole, described)


def has_printed(server: Salvia, name: str) -> bool:
    """Whether anything stands in the file that is the job's standard output: that is sooner than any API would tell."""
    folder = Path(server.data, "logs", ACCOUNT, REGION, quote(_GROUP, safe=""))
    return any(path.stat().st_size > 0 for path in folder.glob(f"{quote(name, safe='')}%2F*.log"))


def lines(server: Salvia, name: str) -> list[dict[str, Any]]:
    """The first event of the job's log, in a list; [] when there is none yet."""
    asking = {"logGroupName": _GROUP, "logStreamNamePrefix": f"{name}/"}
    streams = ask(server, "Logs_20140328.DescribeLogStreams", asking, "logs")["logStreams"]
    if not streams:
        return []
    asking = {"logGroupName": _GROUP, "logStreamName": streams[0]["logStreamName"]}
    answer = ask(server, "Logs_20140328.GetLogEvents", asking | {"startFromHead": True, "limit": 1}, "logs")
    events: list[dict[str, Any]] = answer["events"]
    return events
