"""How a run ended is written once, and whole, on a disk that the run has filled too."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from salvia_container.launch import record
from salvia_container.launch.record import Ending


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_the_first_ending_stays(folder: int) -> None:
    record.write_ending(folder, Ending(0, 1.0))
    record.write_ending(folder, Ending(-9, 2.0, "Lost"))

    assert record.read_ending(folder) == Ending(0, 1.0)


def test_the_room_is_taken_on_the_disk_and_given_back_for_the_ending(folder: int, tmp_path: Path) -> None:
    record.keep_room(folder)
    taken = (tmp_path / record.ROOM).stat().st_blocks * 512
    record.write_ending(folder, Ending(1, 1.0, "DiskFull"))

    assert taken >= 1 << 20
    assert [path.name for path in tmp_path.iterdir()] == [record.EXIT]


def test_an_ending_that_finds_no_room_leaves_nothing(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        record.write_ending(folder, Ending(0, 1.0))

    assert list(tmp_path.iterdir()) == []
