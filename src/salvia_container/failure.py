"""How a job's process fails: the reason left in /opt/ml/output/failure, and the exit code that goes with it.

JobError            any failure with a sentence for the user
  UserError         "ClientError: ...", exit 2: the user can put it right (data, hyperparameters, channels)
  AlgorithmError    "AlgorithmError: ...", exit 1: the algorithm could not go on
  PlatformError     "InternalServerError: ...", exit 3: what the platform should have provided is missing
"""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from salvia_container import log

REASON_LENGTH = 1024  # characters of the failure file that reach FailureReason


class JobError(Exception):
    """A failure whose message is written for the user. `caused_by` is named at the message's end, as AWS's toolkit does."""

    prefix = "AlgorithmError"
    exit_code = 1

    def __init__(self, message: str, caused_by: BaseException | None = None) -> None:
        super().__init__(f"{message} (caused by {type(caused_by).__name__})" if caused_by else message)

    @property
    def reason(self) -> str:
        return f"{self.prefix}: {self}"


class UserError(JobError):
    prefix = "ClientError"
    exit_code = 2


class AlgorithmError(JobError):
    pass


class PlatformError(JobError):
    prefix = "InternalServerError"
    exit_code = 3


def run(job: Callable[[], None], failure_file: Path) -> int:
    """Runs `job` to its end; returns the exit code of the process. A failure is logged and its reason written."""
    try:
        job()
    except JobError as error:
        return _fail(error, failure_file)
    except MemoryError as error:
        return _fail(UserError("Out of memory. Please use a larger instance or less data.", error), failure_file)
    except Exception as error:  # noqa: BLE001 - the process ends here: whatever happened must become a reason
        traceback.print_exc()
        return _fail(AlgorithmError(f"framework error: {type(error).__name__}: {error}"), failure_file)
    return 0


def write_reason(reason: str, failure_file: Path) -> None:
    failure_file.parent.mkdir(parents=True, exist_ok=True)
    failure_file.write_text(reason[:REASON_LENGTH], encoding="utf-8")


def _fail(error: JobError, failure_file: Path) -> int:
    log.error(error.reason)
    write_reason(error.reason, failure_file)
    sys.stdout.flush()
    return error.exit_code
