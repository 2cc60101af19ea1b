"""The FIFOs of a Pipe channel, read as a training script reads them."""

import gzip
import json
import os
import signal
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from salvia_container.feed import NoFifoError, Places, UnreadableError, feed, feed_run

MAGIC = 0xCED7230A


def opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


class Channel:
    """A plan with its objects, fed for `epochs` epochs by a thread."""

    def __init__(self, folder: Path, *objects: bytes, epochs: int = 1, **plan: Any) -> None:
        self.data, self.plan = folder / "data", folder / "train.json"
        self.data.mkdir()
        (folder / "train").mkdir()
        for number, content in enumerate(objects):
            (folder / "train" / str(number)).write_bytes(content)
        records = [[number] for number in range(len(objects))]
        whole = {
            "channel": "train",
            "records": records,
            "share": [0, 1],
            "seed": None,
            "gzip": False,
            "recordio": False,
        }
        self.plan.write_text(json.dumps(whole | plan))
        os.mkfifo(self.data / "train_0")
        self.feeder = threading.Thread(target=feed, args=(self.plan, opened(self.data), range(epochs)), daemon=True)


def read(folder: Path, *objects: bytes, epochs: int = 1, **plan: Any) -> list[bytes]:
    channel = Channel(folder, *objects, epochs=epochs, **plan)
    channel.feeder.start()
    content = [(channel.data / f"train_{epoch}").read_bytes() for epoch in range(epochs)]
    channel.feeder.join()
    return content


def test_each_epoch_holds_the_objects_one_after_the_other(tmp_path: Path) -> None:
    assert read(tmp_path, b"1,2\n", b"3,4\n", epochs=3) == [b"1,2\n3,4\n"] * 3


def test_a_reader_that_closes_early_finds_the_next_epoch_from_its_beginning(tmp_path: Path) -> None:
    channel = Channel(tmp_path, b"a" * (4 << 20), b"end", epochs=2)
    channel.feeder.start()
    with (channel.data / "train_0").open("rb") as pipe:
        assert pipe.read(10) == b"a" * 10
    content = (channel.data / "train_1").read_bytes()
    channel.feeder.join()

    assert content == b"a" * (4 << 20) + b"end"


def test_a_fifo_is_gone_when_its_epoch_is_over(tmp_path: Path) -> None:
    read(tmp_path, b"1", epochs=2)

    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train_2"]


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(b"1\n"), gzip.compress(b"2\n"), gzip=True) == [b"1\n2\n"]


def test_what_is_not_gzip_is_an_error(tmp_path: Path) -> None:
    channel = Channel(tmp_path, b"1,2\n", gzip=True)
    reader = threading.Thread(target=(channel.data / "train_0").read_bytes)
    reader.start()

    with pytest.raises(UnreadableError, match="is not gzip"):
        feed(channel.plan, opened(channel.data), range(1))
    reader.join()


def test_data_that_cannot_be_read_ends_the_run_and_leaves_the_reason(tmp_path: Path) -> None:
    channel = Channel(tmp_path, b"1,2\n", gzip=True)
    (tmp_path / "input").mkdir()
    channel.data.rename(tmp_path / "input/data")
    with subprocess.Popen(["cat", tmp_path / "input/data/train_0"], start_new_session=True) as user:
        feed_run(str(channel.plan), Places.of(str(tmp_path)), user.kill)

    assert user.returncode == -signal.SIGKILL
    assert (tmp_path / "output/failure").read_text().startswith("ClientError: Data download failed: channel train: ")


@pytest.mark.parametrize("instead", ["a link", "a file"])
def test_nothing_but_a_fifo_is_written_to(tmp_path: Path, instead: str) -> None:
    channel, elsewhere = Channel(tmp_path, b"the data"), tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    (channel.data / "train_0").unlink()
    if instead == "a link":
        (channel.data / "train_0").symlink_to(elsewhere)
    else:
        (channel.data / "train_0").hardlink_to(elsewhere)

    with pytest.raises(NoFifoError):
        feed(channel.plan, opened(channel.data), range(1))
    assert elsewhere.read_text() == "precious"


def test_the_reason_of_an_end_is_written_nowhere_else(tmp_path: Path) -> None:
    channel, elsewhere = Channel(tmp_path, b"1,2\n", gzip=True), tmp_path / "elsewhere"
    (tmp_path / "input").mkdir()
    channel.data.rename(tmp_path / "input/data")
    places = Places.of(str(tmp_path))
    elsewhere.write_text("precious")
    (tmp_path / "output/failure").symlink_to(elsewhere)
    with subprocess.Popen(["cat", tmp_path / "input/data/train_0"]) as user:
        feed_run(str(channel.plan), places, user.kill)

    assert elsewhere.read_text() == "precious"
    assert "is not gzip" in (tmp_path / "output/failure").read_text()


@pytest.mark.parametrize("packed", [False, True])
def test_each_object_is_one_recordio_record(tmp_path: Path, packed: bool) -> None:
    content = [gzip.compress(each) if packed else each for each in (b"12345", b"1234")]

    assert read(tmp_path, *content, recordio=True, gzip=packed) == [
        struct.pack("<II", MAGIC, 5) + b"12345\0\0\0" + struct.pack("<II", MAGIC, 4) + b"1234"
    ]


def test_attributes_are_records_of_their_own(tmp_path: Path) -> None:
    assert read(tmp_path, b"IMAG", records=[[0, "cat!"]], recordio=True) == [
        struct.pack("<II", MAGIC, 4) + b"IMAG" + struct.pack("<II", MAGIC, 4) + b"cat!"
    ]


def test_a_seed_orders_every_epoch_anew_and_always_alike(tmp_path: Path) -> None:
    objects = [bytes([65 + number]) for number in range(20)]
    first, second = read(tmp_path, *objects, epochs=2, seed=7)
    again = tmp_path / "again"
    again.mkdir()

    assert sorted(first) == sorted(second) == list(b"".join(objects))
    assert len({first, second, b"".join(objects)}) == 3
    assert read(again, *objects, epochs=2, seed=7) == [first, second]


def test_instances_exchange_their_shares_when_shuffled(tmp_path: Path) -> None:
    objects = [bytes([65 + number]) for number in range(20)]
    shares = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        shares.append(read(folder, *objects, epochs=2, seed=7, share=[number, 2]))

    assert [sorted(one + other) for one, other in zip(*shares, strict=True)] == [list(b"".join(objects))] * 2
    assert set(shares[0][0]) != set(shares[0][1])
