"""A training job's attempts: why one follows another, and what they take together.

Another attempt follows when an instance was lost, as often as RetryStrategy says; and when managed spot instances were taken back. Nobody takes
instances of this machine back: the settings say when that happens all the same, so that it can be seen whether a script goes on where it was.
"""

import math
from collections.abc import Sequence

from salvia.ports.compute import Run
from salvia.ports.table import Record
from salvia.services.sagemaker.runs.ending import Ending, lost
from salvia.settings import Settings

INTERRUPTED = "The managed spot instances are taken back"
AGAIN = "The managed spot instances were taken back: the training job waits for others"
RETRIED = "The instance was lost: the training job is retried"
WAITED_TOO_LONG = Ending(
    "Stopped", "MaxWaitTimeExceeded", "Training job wait time exceeded MaxWaitTimeInSeconds provided"
)


def span(runs: Sequence[Run]) -> tuple[float, float]:
    """When the first of them started, and when the last one ended."""
    return min(run.started for run in runs), max(run.ended or run.started for run in runs)


def spent(job: Record) -> float:
    """Seconds that earlier attempts took."""
    return float(job.status.get("_spent", 0))


def began(job: Record, started: float) -> dict[str, float]:
    """When the job first trained, whatever was repeated since."""
    return {"TrainingStartTime": job.status.get("TrainingStartTime", started)}


def waits_until(job: Record) -> float:
    """When it must have ended, waiting included; infinity for a job that is not on spot instances."""
    wait = job.spec["StoppingCondition"].get("MaxWaitTimeInSeconds")
    return job.created + wait if wait else math.inf


def taken_back(job: Record, settings: Settings, started: float) -> float:
    """When the instances that started then are taken back; infinity when they are not."""
    spot = job.spec["EnableManagedSpotTraining"] and settings.spot_interruption_seconds > 0
    if not spot or _interruptions(job) >= settings.spot_interruptions:
        return math.inf
    return started + settings.spot_interruption_seconds


def why_another(job: Record, runs: Sequence[Run], due: float) -> str:
    """Why runs that have all ended are followed by others, or "". `due` is when they had to be stopped."""
    if job.wanted != "running" or span(runs)[1] >= due:
        return ""
    if job.status.get("SecondaryStatus") == "Interrupted":
        return AGAIN
    retries = (job.spec.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
    retried = job.status.get("_attempt", 0) - _interruptions(job)
    return RETRIED if lost(runs) and retried < retries else ""


def count(job: Record, runs: Sequence[Run], why: str) -> None:
    """The attempt that these runs were is over."""
    started, ended = span(runs)
    job.status |= began(job, started) | {
        "_attempt": job.status.get("_attempt", 0) + 1,
        "_interruptions": _interruptions(job) + (why == AGAIN),
        "_spent": spent(job) + ended - started,
    }


def times(job: Record, settings: Settings, seconds: float) -> dict[str, int]:
    """What Describe says of so many seconds on instances. AWS counts by the clock, however many instances there are."""
    billed = 1 - settings.spot_discount if job.spec["EnableManagedSpotTraining"] else 1
    whole = max(1, round(seconds))
    return {"TrainingTimeInSeconds": whole, "BillableTimeInSeconds": max(1, round(whole * billed))}


def _interruptions(job: Record) -> int:
    return int(job.status.get("_interruptions", 0))
