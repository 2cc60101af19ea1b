"""What the doctor says of this machine and of poorer ones."""

import os
import socket
from pathlib import Path

import pytest

from salvia.adapters.compute.process import groups
from salvia.cli import doctor, main
from salvia.cli.doctor import BROKEN, GOOD, LACKING
from salvia.settings import Settings


def test_every_finding_is_a_sentence_about_something(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", environments=tmp_path / "environments")
    found = doctor.examine(settings, {}, online=False)

    assert [f.subject for f in found] == (
        ["Python", "CPUs", "memory", "data", "environments", "sandbox", "limits", "containers", "Java", "server"]
    )
    assert all(f.text and f.state in {GOOD, LACKING, BROKEN} for f in found)


def test_a_python_that_is_too_old_or_new_is_told() -> None:
    assert [doctor.python((3, minor)).state for minor in (10, 11, 13, 14)] == [BROKEN, GOOD, GOOD, BROKEN]


def test_a_machine_without_namespaces_cannot_run_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("salvia_container.launch.kernel.unshare", forbidden)
    found = doctor.namespaces()

    assert found.state == BROKEN
    assert "Operation not permitted" in found.text
    assert "sysctl" in found.text


def test_a_machine_without_control_groups_lacks_strict_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "memory_parent", lambda _: None)

    assert doctor.memory_limits(tmp_path).state == LACKING


def test_the_limit_of_a_container_counts_as_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "memory_limit", lambda: 1 << 30)
    found = doctor.memory()

    assert found.state == LACKING
    assert "1.0 GiB for jobs (a limit of this container)" in found.text


def test_a_folder_that_is_not_there_yet_is_judged_by_its_disk(tmp_path: Path) -> None:
    assert f"free in {tmp_path}/a/b" in doctor.disk("data", tmp_path / "a" / "b").text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_told() -> None:
    assert doctor.disk("data", Path("/proc/1/salvia")).state == BROKEN


def test_a_container_engine_is_found_by_its_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        assert f"{tmp_path}/s answers" in doctor.containers(Settings(), {"DOCKER_HOST": f"unix://{tmp_path}/s"}).text


def test_what_is_piped_is_plain_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALVIA_ENVIRONMENTS", str(tmp_path))
    main(["doctor", "--offline", "--data", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 10
    assert all(line.split()[0] in {GOOD, LACKING, BROKEN} for line in lines)
    assert not any("\x1b" in line for line in lines)
