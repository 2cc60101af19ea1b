"""Feeds one Pipe channel of a run: a FIFO for each epoch, `<channel>_0` and on, written from the channel's objects.

It runs beside the user's process, so that no server is needed while the run reads. A reader that closes early has the next
epoch waiting: each FIFO is made before the one before it ends, and is gone when its own epoch is over.
"""

import contextlib
import fcntl
import gzip
import itertools
import json
import os
import random
import signal
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".json"
_BLOCK = 1 << 20  # bytes; all that is ever held of an object, and what the FIFO holds where the kernel lets it
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ
_MAGIC = 0xCED7230A
_RECORD_LIMIT = 1 << 29  # bytes; the length field's upper three bits mean something else


class UnreadableError(Exception):
    """An object is not what the channel says it is; the text is fit for a FailureReason."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write. A record's pieces are numbers (of files in the folder beside the plan) and texts, in their order.

    `share` says which of the records are this instance's: the first of them, and the step to the next. With a `seed` all
    records are put into another order for each epoch before the shares are cut, so that instances exchange them.
    """

    channel: str
    records: list[list[int | str]]
    share: tuple[int, int]
    seed: int | None
    gzip: bool
    recordio: bool

    def epoch(self, number: int) -> Iterator[int | str]:
        order = list(range(len(self.records)))
        if self.seed is not None:
            random.Random(f"{self.seed}:{number}").shuffle(order)  # noqa: S311 - an order that can be had again
        first, step = self.share
        return itertools.chain.from_iterable(self.records[record] for record in order[first::step])


def make_fifo(data: Path, channel: str, epoch: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkfifo(data / f"{channel}_{epoch}", 0o600)


def feed(
    plan_file: Path, data: Path, epochs: Iterable[int] | None = None, unreadable: Callable[[str], None] = lambda _: None
) -> None:
    """Writes epoch after epoch into FIFOs in `data`, as fast as they are read. Raises UnreadableError.

    `unreadable` is told of that error first, while the FIFO is still open: its reader has seen no end yet.
    """
    plan = Plan(**json.loads(plan_file.read_text(encoding="utf-8")))
    objects = plan_file.with_suffix("")
    for epoch in itertools.count() if epochs is None else epochs:
        make_fifo(data, plan.channel, epoch)
        fifo = data / f"{plan.channel}_{epoch}"
        with contextlib.suppress(BrokenPipeError), fifo.open("wb") as pipe:  # waits for a reader
            make_fifo(data, plan.channel, epoch + 1)
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe, _SET_PIPE_SIZE, _BLOCK)
            try:
                for piece in plan.epoch(epoch):
                    _write(plan, objects, piece, pipe)
            except UnreadableError as error:
                pipe.flush()
                unreadable(str(error))
                raise
        fifo.unlink(missing_ok=True)  # to open it again would wait for ever


def _write(plan: Plan, objects: Path, piece: int | str, pipe: BinaryIO) -> None:
    if isinstance(piece, str):
        size, blocks = len(piece.encode()), iter([piece.encode()])
    else:
        path = objects / str(piece)
        blocks = _blocks(path, packed=plan.gzip)
        size = 0
        if plan.recordio:  # its length stands before it: what is packed is unpacked twice
            size = sum(map(len, _blocks(path, packed=True))) if plan.gzip else path.stat().st_size
    if plan.recordio:
        if size >= _RECORD_LIMIT:
            raise UnreadableError(f"an object of {size} bytes is too large for one RecordIO record (512 MiB)")
        pipe.write(struct.pack("<II", _MAGIC, size))
    pipe.writelines(blocks)
    if plan.recordio:
        pipe.write(b"\0" * (-size % 4))


def _blocks(path: Path, *, packed: bool) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except (OSError, EOFError, zlib.error) as error:
        said = "one of its objects is not gzip, but it has CompressionType Gzip" if packed else str(error)
        raise UnreadableError(said) from error


def feed_run(plan_file: str, ml: str, user: int) -> None:
    """Feeds a run whose user process is `user` and whose /opt/ml is `ml`; when data cannot be read, says so and ends the run.

    A pipe that only ended early would look like a smaller channel.
    """

    def end(error: str) -> None:
        reason = f"ClientError: Data download failed: channel {Path(plan_file).stem}: {error}"
        print(f"salvia: {reason}", file=sys.stderr, flush=True)
        failure = Path(ml, "output/failure")
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(reason, encoding="utf-8")
        for kill in (os.killpg, os.kill):  # its children too, where it has begun
            with contextlib.suppress(OSError):
                kill(user, signal.SIGKILL)

    with contextlib.suppress(UnreadableError):
        feed(Path(plan_file), Path(ml, "input/data"), unreadable=end)
