"""How a job ended, read from its runs and from what they wrote to /opt/ml/output/failure."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from salvia.ports.compute import Run
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.left import read_below

_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Ending:
    status: str
    secondary: str
    message: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended, and the stream of what it printed."""

    run: Run
    group: str
    stream: str


def lost(runs: Sequence[Run]) -> bool:
    return any(run.cause == "Lost" for run in runs)


async def of(world: World, job: Record, what: str, due: float, instances: Sequence[Ended]) -> Ending:
    """`what` is what messages call it: "Training job"; `due` is when it had to be stopped.

    Of several instances that failed, one that was ended from outside tells the reason, else the one that ended first: the others
    only followed. A lost one has ended when that was noticed, which may be after they did.
    """
    runs = [each.run for each in instances]
    failed = sorted((not run.cause, run.ended or 0, number) for number, run in enumerate(runs) if run.exit_code)
    late = any(run.ended and run.ended >= due for run in runs)
    if job.wanted == "stopped":
        return Ending("Stopped", "Stopped", f"{what} stopped")
    if late:
        return Ending("Stopped", "MaxRuntimeExceeded", f"{what} runtime exceeded MaxRuntimeInSeconds provided")
    if not failed:
        return Ending("Completed", "Completed", f"{what} completed")
    return Ending("Failed", "Failed", f"{what} failed", await reason(world, job, instances[failed[0][-1]]))


async def reason(world: World, job: Record, ended: Ended) -> str:
    """Why a run failed: its own words, else the last line of its log; and its exit code."""
    run = ended.run
    if run.cause == "Lost":
        return "InternalServerError: We encountered an internal error. The machine stopped while the job ran. Please try again."
    code = run.exit_code or 0
    code = code if code > 0 else 128 - code  # a signal, as a shell reports it
    if run.cause == "OutOfMemory":
        return (
            "AlgorithmError: OutOfMemory: Please use an instance type with more memory, "
            f"or reduce the size of job data processed on an instance., exit code: {code}"
        )
    if run.cause == "DiskFull":  # and what the job said of it had no room
        return (
            "AlgorithmError: No space left on device: the disk that holds the server's data is full. "
            f"Please free some of it, or write less., exit code: {code}"
        )
    said = ""
    with suppress(OSError):
        said = read_below(world.compute.folder(run.name), "output/failure", _LONGEST).decode(errors="replace").strip()
    if not said:
        tail = await world.logs.tail(job.account, job.region, ended.group, ended.stream, _LONGEST)
        said = tail.strip().rpartition("\n")[2]
    said = said[: _LONGEST - 40]
    prefix = "" if said.startswith(("ClientError:", "AlgorithmError:", "InternalServerError:")) else "AlgorithmError: "
    return f"{prefix}{said}, exit code: {code}"
