"""Where a container that serves has its user's code."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from salvia_container.failure import UserError
from salvia_container.launch import packages
from salvia_container.script_mode.serving import program


def test_workers_that_begin_together_install_the_requirements_once_and_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, folder = tmp_path / "lib/site-packages", tmp_path / "code"
    site.mkdir(parents=True)
    folder.mkdir()
    (site / "environment.pth").touch()
    (folder / "requirements.txt").write_text("some-package\n")
    (folder / "inference.py").write_text("")
    monkeypatch.setattr(packages, "SITE", str(site))
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", str(folder))
    begun, may_end, installs, seen = threading.Event(), threading.Event(), [], []

    def install(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        installs.append(command)
        (site / "half").touch()
        begun.set()
        may_end.wait(60)
        (site / "whole").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    def work() -> None:
        program.load(tmp_path / "model", tmp_path / "fetched")
        seen.append(set(os.listdir(site)))

    monkeypatch.setattr(subprocess, "run", install)
    workers = [threading.Thread(target=work) for _ in range(2)]
    workers[0].start()
    begun.wait(60)
    workers[1].start()
    workers[1].join(0.05)  # it has every chance to go on with what is half there
    may_end.set()
    for worker in workers:
        worker.join()

    assert len(installs) == 1
    assert seen == [{"environment.pth", "half", "whole"}] * 2


def test_shared_libraries_are_loaded_and_not_left_to_a_handler_that_would_copy_them(tmp_path: Path) -> None:
    (tmp_path / "shared_libs").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "code/inference.py").write_text(
        "from pathlib import Path\nleft = (Path(__file__).parents[1] / 'shared_libs').exists()"
    )
    found = program.load(tmp_path, tmp_path / "fetched")
    again = program.load(tmp_path, tmp_path / "fetched")

    assert found is not None
    assert again is not None
    assert (found.left, again.left) == (False, False)
    (tmp_path / ".shared_libs/lib.so").write_text("no library")
    with pytest.raises(UserError, match=r"shared_libs/lib\.so cannot be loaded"):
        program.load(tmp_path, tmp_path / "fetched")
