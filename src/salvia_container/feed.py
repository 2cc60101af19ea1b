"""Feeds one Pipe channel of a run: a FIFO for each epoch, `<channel>_0` and on, written from the channel's objects.

It runs beside the user's process, so that no server is needed while the run reads. A reader that closes early has the next
epoch waiting: each FIFO is made before the one before it ends, and is gone when its own epoch is over. Folders are held open from
before user code begins, and nothing in them is followed: it may be no FIFO by now, but a link to what is none of its business.
"""

import contextlib
import fcntl
import gzip
import itertools
import json
import os
import random
import stat
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


class NoFifoError(Exception):
    """User code has put something else in a FIFO's place."""


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


def make_fifo(data: int, channel: str, epoch: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkfifo(f"{channel}_{epoch}", 0o644, dir_fd=data)


def feed(
    plan_file: Path, data: int, epochs: Iterable[int] | None = None, unreadable: Callable[[str], None] = lambda _: None
) -> None:
    """Writes epoch after epoch into FIFOs in the open folder `data`, as fast as they are read. Raises UnreadableError, NoFifoError.

    `unreadable` is told of that error first, while the FIFO is still open: its reader has seen no end yet.
    """
    plan = Plan(**json.loads(plan_file.read_text(encoding="utf-8")))
    objects = plan_file.with_suffix("")
    for epoch in itertools.count() if epochs is None else epochs:
        make_fifo(data, plan.channel, epoch)
        name = f"{plan.channel}_{epoch}"
        with contextlib.suppress(BrokenPipeError), _opened(data, name) as pipe:  # waits for a reader
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
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=data)  # to open it again would wait for ever


def _opened(data: int, name: str) -> BinaryIO:
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=data)
    except OSError as error:
        raise NoFifoError(f"{name}: {error.strerror}") from error
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoFifoError(f"{name} is no FIFO")
    return os.fdopen(descriptor, "wb")


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


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a run's /opt/ml that its feeders write to, open."""

    data: int
    output: int

    @classmethod
    def of(cls, ml: str) -> "Places":
        for path in ("input/data", "output"):
            Path(ml, path).mkdir(parents=True, exist_ok=True)
        return cls(*(os.open(f"{ml}/{path}", os.O_RDONLY | os.O_DIRECTORY) for path in ("input/data", "output")))


def feed_run(plan_file: str, places: Places, kill: Callable[[], None]) -> None:
    """Feeds a run; when data cannot be read, says so and ends the run by `kill`.

    A pipe that only ended early would look like a smaller channel.
    """

    def end(error: str) -> None:
        reason = f"ClientError: Data download failed: channel {Path(plan_file).stem}: {error}"
        print(f"salvia: {reason}", file=sys.stderr, flush=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("failure", dir_fd=places.output)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open("failure", flags, 0o644, dir_fd=places.output), "w", encoding="utf-8") as failure:
            failure.write(reason)
        kill()

    with contextlib.suppress(UnreadableError, NoFifoError):
        feed(Path(plan_file), places.data, unreadable=end)
