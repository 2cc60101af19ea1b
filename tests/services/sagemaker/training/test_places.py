"""Whatever a key says, its object stands below the folder, or the job is told why it cannot."""

from pathlib import Path

import pytest

from salvia.services.sagemaker.runs.places import ChannelError, Item, placements
from tests.services.sagemaker.training.conftest import Bench, channel

FOLDER = Path("/ml/input/data/train")


def placed(*paths: str) -> list[str]:
    items = [Item("bucket", f"key of {path}", path) for path in paths]
    return [str(each.path.relative_to(FOLDER)) for each in placements(items, FOLDER)]


@pytest.mark.parametrize(
    ("path", "stands"),
    [
        ("a/b.csv", "a/b.csv"),
        ("../../../../etc/cron.d/x", "etc/cron.d/x"),
        ("/etc/passwd", "etc/passwd"),
        ("a//b/./c/..", "a/b/c"),
        ("n" * 255, "n" * 255),
    ],
)
def test_no_key_leads_out_of_the_folder(path: str, stands: str) -> None:
    assert placed(path) == [stands]


@pytest.mark.parametrize(
    "path", ["", "..", "n" * 256, "a\0b", "\N{GREEK SMALL LETTER ALPHA}" * 128, "/".join(["n" * 250] * 13)]
)
def test_what_no_file_can_be_called_is_refused(path: str) -> None:
    with pytest.raises(ChannelError, match="cannot be the name of a file"):
        placed(path)


def test_a_key_and_one_below_it_cannot_both_be_files() -> None:
    with pytest.raises(ChannelError, match="cannot both be files"):
        placed("b", "a", "a/b/c")


async def test_a_channel_that_cannot_be_placed_fails_the_job(bench: Bench) -> None:
    bench.objects.buckets["bucket"] |= {"in/x/a": b"1", "in/x/a/b": b"2"}
    await bench.create("job", InputDataConfig=[channel("train", "s3://bucket/in/x/")])
    job = await bench.ended()

    assert job.state == "Failed"
    assert "cannot both be files" in job.status["FailureReason"]


@pytest.mark.parametrize("name", ["/../../../../../../victim", "//victim", "/../victim"])
async def test_checkpoints_are_restored_below_their_folder(bench: Bench, tmp_path: Path, name: str) -> None:
    key = f"checkpoints{name.replace('//victim', f'/{tmp_path}/victim')}"
    bench.objects.buckets["bucket"][key] = b"planted"
    await bench.create("job", CheckpointConfig={"S3Uri": "s3://bucket/checkpoints"})
    await bench.running()
    written = [path for path in tmp_path.rglob("victim") if path.is_file()]

    assert [path.is_relative_to(bench.ml() / "checkpoints") for path in written] == [True]
