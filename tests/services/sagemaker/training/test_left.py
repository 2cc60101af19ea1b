"""A job cannot have the server read what it could not read itself."""

import os
from pathlib import Path

import pytest

from salvia.services.sagemaker.training.left import files_below, read_below

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
