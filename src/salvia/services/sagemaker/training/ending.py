"""How a training job ended, read from its runs and from what they wrote to /opt/ml/output/failure."""

from contextlib import suppress
from dataclasses import dataclass

from salvia.ports.compute import Run
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.cluster import Host
from salvia.services.sagemaker.runs.left import read_below
from salvia.services.sagemaker.training.container import LOG_GROUP, stream_name

_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Ending:
    status: str
    secondary: str
    message: str = ""
    reason: str = ""


def lost(runs: list[Run]) -> bool:
    return any(run.cause == "Lost" for run in runs)


def retries(job: Record) -> int:
    return int((job.spec.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0))


async def of(world: World, job: Record, hosts: list[Host], runs: list[Run]) -> Ending:
    """Of several instances that failed, the one that ended first tells the reason: the others only followed."""
    started = min(run.started for run in runs)
    limit = job.spec["StoppingCondition"]["MaxRuntimeInSeconds"]
    failed = sorted((run.ended or 0, number) for number, run in enumerate(runs) if run.exit_code)
    late = any(run.ended and run.ended - started >= limit for run in runs)
    if job.wanted == "stopped":
        return Ending("Stopped", "Stopped", "Training job stopped")
    if late:
        return Ending("Stopped", "MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided")
    if not failed:
        return Ending("Completed", "Completed", "Training job completed")
    number = failed[0][1]
    reason = await _reason(world, job, hosts[number], runs[number])
    return Ending("Failed", "Failed", "Training job failed", reason)


async def _reason(world: World, job: Record, host: Host, run: Run) -> str:
    if run.cause == "Lost":
        return "InternalServerError: We encountered an internal error. The machine stopped while the job ran. Please try again."
    code = run.exit_code or 0
    code = code if code > 0 else 128 - code  # a signal, as a shell reports it
    if run.cause == "OutOfMemory":
        return (
            "AlgorithmError: OutOfMemory: Please use an instance type with more memory, "
            f"or reduce the size of job data processed on an instance., exit code: {code}"
        )
    said = ""
    with suppress(OSError):
        said = read_below(world.compute.folder(run.name), "output/failure", _LONGEST).decode(errors="replace").strip()
    if not said:
        tail = await world.logs.tail(job.account, job.region, LOG_GROUP, stream_name(job, host), _LONGEST)
        said = tail.strip().rpartition("\n")[2]
    said = said[: _LONGEST - 40]
    prefix = "" if said.startswith(("ClientError:", "AlgorithmError:", "InternalServerError:")) else "AlgorithmError: "
    return f"{prefix}{said}, exit code: {code}"
