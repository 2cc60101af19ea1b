"""One instance of a script-mode training job, from AWS's `train` command to the reason of a failure in one line."""

import os
from collections.abc import Mapping
from pathlib import Path

from salvia_container.script_mode.waiting import WaitingProcess

_FRAMEWORK = "SAGEMAKER_TRAINING_MODULE"  # where AWS's images name their framework's part of the toolkit
_OUTPUT = Path("/opt/ml/output")


def asked_for(hyperparameters: Mapping[str, str]) -> bool:
    """Whether a job of an image that also has an algorithm of its own names a script, as AWS's toolkit decides it."""
    return bool(os.environ.get("SAGEMAKER_PROGRAM") or hyperparameters.get("sagemaker_program"))


def train_script() -> int:
    """The exit code of the process. The toolkit itself leaves success or a failure's reason in /opt/ml/output."""
    waiting = WaitingProcess()
    from sagemaker_training import process, trainer  # noqa: PLC0415 - only after the fork: a script inherits what is before

    from salvia_container.script_mode import aws_session  # noqa: PLC0415
    from salvia_container.script_mode.commands import checked_by  # noqa: PLC0415

    aws_session.use()
    process.check_error = checked_by(waiting)
    os.environ.setdefault(_FRAMEWORK, "salvia_container.script_mode.framework:main")
    try:
        trainer.train()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    if code:
        _to_one_line(_OUTPUT / "failure")
    elif not (_OUTPUT / "success").exists():
        return 1  # it says success too where it had no room to write down the failure
    return code


def _to_one_line(failure: Path) -> None:
    """AWS's reason is three lines, after a traceback when the toolkit itself failed: the sentence without its layout."""
    if not failure.is_file():
        return
    lines = [
        line.strip() for line in failure.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
    ]
    if lines and lines[0] == "Framework Error:":
        lines = [lines[0], lines[-1]]
    failure.write_text(" ".join(lines), encoding="utf-8")
