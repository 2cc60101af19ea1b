"""How the toolkit's commands (the user's script, pip, torchrun) are executed here, and what is said of one that failed.

It takes the place of the toolkit's own `process.check_error`, with the same meaning: a script is run by the process that
waits for it where that comes to the same, and a failure's message is its cause in one line.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sagemaker_training import environment, errors, process

from salvia_container.launch import packages
from salvia_container.script_mode.requirements import kept_versions, settle
from salvia_container.script_mode.said import Said, cause
from salvia_container.script_mode.waiting import WaitingProcess

_KILLED = -9


def checked_by(waiting: WaitingProcess) -> Callable[..., None]:
    """A stand-in for `sagemaker_training.process.check_error`."""

    def check_error(
        cmd: Sequence[str],
        error_classes: Any,
        *_: Any,
        cwd: str | None = None,
        **__: Any,
    ) -> None:
        folder = cwd or environment.code_dir
        if "-r" in cmd:
            settle(Path(folder, "requirements.txt"), kept_versions(Path(os.environ.get("PIP_CONSTRAINT", ""))))
        if waiting.free and _is_script(cmd) and not packages.installed():
            code, said = _run_in(waiting, cmd, folder)
        else:
            code, said = _execute(cmd, folder, os.environ)
        if code:
            kind = error_classes if isinstance(error_classes, type) else errors.ExecuteUserScriptError
            info = "OutOfMemory: Process killed by SIGKILL (signal 9)" if code == _KILLED else None
            raise kind(cmd=" ".join(cmd), return_code=code, output=cause(said), info=info)

    return check_error


def _is_script(cmd: Sequence[str]) -> bool:
    return list(cmd[:2]) == [process.python_executable(), "--"]


def _run_in(waiting: WaitingProcess, cmd: Sequence[str], cwd: str) -> tuple[int, str]:
    reader, writer = os.pipe()
    tail = Said(reader)
    waiting.start(cmd[2], cmd[3:], os.environ, cwd, writer)
    os.close(writer)
    return waiting.wait(), tail.text()


def _execute(cmd: Sequence[str], cwd: str, variables: Mapping[str, str]) -> tuple[int, str]:
    reader, writer = os.pipe()
    tail = Said(reader)
    started = subprocess.Popen(list(cmd), cwd=cwd, env=dict(variables), stderr=writer)
    os.close(writer)
    return started.wait(), tail.text()
