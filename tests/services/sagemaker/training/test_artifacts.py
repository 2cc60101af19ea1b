"""What a job leaves is kept, and whatever it leaves, it cannot make the server write, read or hang elsewhere."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Record
from tests.services.sagemaker.training.conftest import Bench

NAMELESS = os.fsdecode(b"\xff")  # bytes that are no text
UNPACKED: dict[str, Any] = {"OutputDataConfig": {"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"}}
CHECKPOINTS: dict[str, Any] = {"CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"}}


async def ended(bench: Bench) -> Record:
    bench.compute.end()
    return await bench.ended()


async def test_the_tar_of_the_model_is_not_written_through_a_link(bench: Bench, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    await bench.create()
    await bench.running()
    (bench.ml() / "model/w").write_text("1")
    for name in ("model.tar.gz", "output.tar.gz"):
        (bench.ml() / name).symlink_to(victim)
    job = await ended(bench)

    assert (job.state, victim.read_text()) == ("Completed", "as it was")
    assert bench.tar("out/job/output/model.tar.gz") == {"w": b"1"}


async def test_a_folder_where_the_tar_would_go_is_no_obstacle(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "model.tar.gz").mkdir()

    assert (await ended(bench)).state == "Completed"


async def test_a_file_that_is_mostly_a_hole_fails_the_job_rather_than_the_server(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "model/w").touch()
    os.truncate(bench.ml() / "model/w", 1 << 40)
    job = await ended(bench)

    assert job.state == "Failed"
    assert "larger than the VolumeSizeInGB" in job.status["FailureReason"]


@pytest.mark.parametrize("name", [NAMELESS, "/".join(["n" * 250] * 5)])
async def test_a_name_that_is_no_key_fails_the_job(bench: Bench, name: str) -> None:
    await bench.create("job", **UNPACKED)
    await bench.running()
    path = bench.ml() / "model" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    job = await ended(bench)

    assert job.state == "Failed"
    assert "cannot be the key of an S3 object" in job.status["FailureReason"]


async def test_a_name_that_is_no_text_is_kept_in_the_tar(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "model" / NAMELESS).write_bytes(b"1")

    assert (await ended(bench)).state == "Completed"
    assert bench.tar("out/job/output/model.tar.gz") == {NAMELESS: b"1"}


async def test_setuid_bits_stay_behind(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "model/w").touch()
    (bench.ml() / "model/w").chmod(0o6755)
    await ended(bench)

    assert bench.modes("out/job/output/model.tar.gz") == {"w": 0o755}


async def test_checkpoints_of_any_size_are_sent_and_endless_or_nameless_ones_are_not(bench: Bench) -> None:
    await bench.create("job", **CHECKPOINTS)
    await bench.running()
    folder = bench.ml() / "checkpoints"
    (folder / "large").write_bytes(b"x" * (9 << 20))
    (folder / "small").write_bytes(b"x")
    (folder / "endless").touch()
    os.truncate(folder / "endless", 1 << 40)
    (folder / NAMELESS).touch()
    job = await ended(bench)
    kept = {key: len(data) for key, data in bench.objects.buckets["bucket"].items() if key.startswith("checkpoints/")}

    assert job.state == "Completed"
    assert kept == {"checkpoints/large": 9 << 20, "checkpoints/small": 1}


@pytest.fixture
def emptied(tmp_path: Path) -> Iterator[None]:
    """The command rm goes as deep as need be, which pytest's own tidying does not."""
    yield
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


@pytest.mark.usefixtures("emptied")
async def test_folders_deeper_than_a_path_can_say_fail_the_job(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    deep(bench.ml() / "model", 3000)
    job = await ended(bench)

    assert job.state == "Failed"
    assert "folders below /opt/ml/model cannot be read: File name too long" in job.status["FailureReason"]


@pytest.mark.usefixtures("emptied")
async def test_folders_deeper_than_pythons_stack_are_kept(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    deep(bench.ml() / "model", 1200)

    assert (await ended(bench)).state == "Completed"
    assert bench.tar("out/job/output/model.tar.gz") == {"d/" * 1200 + "f": b"x"}


def deep(folder: Path, levels: int) -> None:
    """Made step by step: no path names the whole of it."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    file = os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=at)
    os.write(file, b"x")
    os.close(file)
    os.close(at)
