"""kill -9 in the midst of writing: what was acknowledged is there, what was not is gone or whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from salvia.adapters.objects.files import FileObjects
from tests.adapters.objects.dying_writer import content

WRITER = Path(__file__).with_name("dying_writer.py")


def write_until_killed(folder: Path, lines: int) -> list[int]:
    """The numbers that the writer said are safe, before it was killed behind that many lines."""
    writer = subprocess.Popen([sys.executable, str(WRITER), str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    with writer.stdout as out:
        told = [out.readline() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        told += out.readlines()
    writer.wait()
    return [int(line) for line in told if line.endswith("\n")]


@pytest.mark.slow
async def test_a_killed_store_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    for lines in (3, 40, 111, 200):
        acknowledged = write_until_killed(folder, lines)

        objects = FileObjects(folder)
        for number in acknowledged:
            assert await objects.get("b", f"k{number:06}") == content(number)
        for info in await objects.list("b", "", limit=100_000):
            assert await objects.get("b", info.key) == content(int(info.key[1:]))
        files = [path for path in (folder / "objects").rglob("*") if path.is_file()]
        known = objects._index.read.execute("select count(*) from contents where file is not null").fetchone()
        waiting = objects._index.read.execute("select count(*) from garbage").fetchone()
        objects.close()

        assert len(files) == known[0] + waiting[0]
