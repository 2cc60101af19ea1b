"""A job cannot have the server read what it could not read itself."""

import os
from pathlib import Path

import pytest

from salvia.services.sagemaker.runs.left import copy_below, files_below, open_up, read_below

REFUSED = "symbolic link|Not a directory|not a regular file"


@pytest.fixture
def ml(tmp_path: Path) -> Path:
    secret = tmp_path / "host"
    secret.mkdir()
    (secret / "key").write_text("secret")
    folder = tmp_path / "ml"
    (folder / "model/deep").mkdir(parents=True)
    (folder / "model/deep/weights").write_text("w")
    return folder


def test_regular_files_are_found_at_any_depth(ml: Path) -> None:
    assert [path.name for path in files_below(ml, "model")] == ["weights"]
    assert read_below(ml, "model/deep/weights") == b"w"


def test_a_linked_file_is_left_out(ml: Path) -> None:
    (ml / "model/stolen").symlink_to(ml.parent / "host/key")

    assert [path.name for path in files_below(ml, "model")] == ["weights"]
    with pytest.raises(OSError, match=REFUSED):
        read_below(ml, "model/stolen")


@pytest.mark.parametrize("name", ["linked", "linked/deep"])
def test_a_linked_folder_is_not_entered(ml: Path, name: str) -> None:
    (ml.parent / "host/deep").mkdir()
    (ml.parent / "host/deep/key").write_text("secret")
    (ml / "linked").symlink_to(ml.parent / "host")

    assert list(files_below(ml, name)) == []
    with pytest.raises(OSError, match=REFUSED):
        read_below(ml, f"{name}/key")


def test_a_pipe_does_not_hang_the_server(ml: Path) -> None:
    os.mkfifo(ml / "model/pipe")

    assert [path.name for path in files_below(ml, "model")] == ["weights"]
    with pytest.raises(OSError, match=REFUSED):
        read_below(ml, "model/pipe")


def test_a_copy_is_of_a_regular_file_too(ml: Path) -> None:
    (ml / "model/stolen").symlink_to(ml.parent / "host/key")
    copy_below(ml, "model/deep/weights", ml.parent / "copy")

    assert (ml.parent / "copy").read_text() == "w"
    with pytest.raises(OSError, match=REFUSED):
        copy_below(ml, "model/stolen", ml.parent / "copy")


def test_what_a_job_closed_is_opened_for_the_server_and_nothing_behind_a_link(
    ml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    key = ml.parent / "host/key"
    (ml / "model/stolen").symlink_to(key)
    (ml / "model/deep/weights").chmod(0)
    (ml / "model/deep").chmod(0)
    key.chmod(0o600)
    open_up(ml, "model")

    assert (ml / "model/deep").stat().st_mode & 0o777 == 0o700
    assert (ml / "model/deep/weights").stat().st_mode & 0o777 == 0o400
    assert key.stat().st_mode & 0o777 == 0o600
