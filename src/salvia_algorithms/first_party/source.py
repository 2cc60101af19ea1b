"""A channel read pass after pass: found, decoded by its format, and checked, a block of rows at a time.

Memory is that of a block, and of the rows of the channel where these fit: then they are decoded once and kept.
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from salvia_algorithms import csv_text
from salvia_algorithms.files import DataFile, channel_files
from salvia_algorithms.first_party.batch import Batch, Floats, cut, drawn
from salvia_algorithms.first_party.channels import CSV, Channel
from salvia_container import recordio
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment, cpus, memory

BLOCK_BYTES = 4 << 20
KEPT_SHARE = 0.4  # of the instance's memory may be taken by rows that are kept


@dataclass(slots=True)
class Room:
    """Bytes that rows may take between passes, of all channels of a job together."""

    left: int

    @classmethod
    def of_instance(cls) -> "Room":
        return cls(int(memory() * KEPT_SHARE))


class Source:
    """The rows of one channel on this host.

    `feature_dim` is what the user declared, or None: then the first block decides, and of sparse data the widest. Every
    block is checked: width, and that all numbers are finite. `keep` says whether rows stay in memory between passes when
    they fit into the `room` that the channels of a job share; an algorithm that makes one pass has no use for it.
    """

    def __init__(
        self,
        environment: TrainingEnvironment,
        channel: Channel,
        *,
        feature_dim: int | None = None,
        keep: bool = True,
        room: Room | None = None,
    ) -> None:
        self.channel = channel
        self.feature_dim = feature_dim
        self._declared = feature_dim is not None
        self._environment = environment
        self._room = (room or Room.of_instance()) if keep else Room(0)
        self._kept: list[Batch] | None = None
        self._passes = 0

    def widen(self, columns: int) -> None:
        """Sparse rows get as many columns from now on: what other hosts have."""
        self.feature_dim = columns
        if self._kept is not None:
            self._kept = [block.widened(columns) for block in self._kept]

    def load(self) -> None:
        """Rows that fit into memory are there from now on, as after a first pass."""
        for _ in self.blocks():
            if not self._room.left:
                break

    def batches(self, size: int) -> Iterator[Batch]:
        """One pass over the channel in mini-batches of `size` rows; the last may be smaller."""
        return cut(self.blocks(), size)

    def shuffled(self, size: int, seed: int) -> Iterator[Batch]:
        """Like `batches`, in another order for every seed, where the rows are in memory; else as they come."""
        if self._kept is None:
            yield from self.batches(size)
        else:
            yield from drawn(self._kept, size, np.random.default_rng(seed))

    def blocks(self) -> Iterator[Batch]:
        """One pass over the channel, as its rows come. A pass that is left early is one, too."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Batch] | None = [] if self._room.left else None
        size = 0
        try:
            for block in self._checked():
                size += block.nbytes
                if size > self._room.left:
                    kept, self._room = None, Room(0)  # nor will they fit next time
                if kept is not None:
                    kept.append(block)
                yield block
            if kept is not None:
                self._kept = kept
                self._room.left -= size
        finally:
            self._passes += 1

    def _checked(self) -> Iterator[Batch]:
        for file in self._files():
            row = 0
            for block in self._read(file):
                if not len(block):
                    continue
                yield self._check(file, row, block)
                row += len(block)

    def _files(self) -> Iterator[DataFile]:
        if self.channel.pipe:
            fifo = self._environment.pipe_path(self.channel.name, self._passes)
            if fifo.exists():
                yield DataFile(fifo, fifo.name)
            return
        yield from channel_files(self._environment.channel_path(self.channel.name))

    def _read(self, file: DataFile) -> Iterator[Batch]:
        with file.path.open("rb", buffering=0) as stream:
            yield from (self._csv(file, stream) if self.channel.format == CSV else self._recordio(file, stream))

    def _recordio(self, file: DataFile, stream: io.RawIOBase | BinaryIO) -> Iterator[Batch]:
        try:
            # A file is read like a pipe: were it mapped, its pages would count as this instance's memory.
            pieces = iter(lambda: stream.read(BLOCK_BYTES) or b"", b"")
            for records in recordio.stream(map(memoryview, pieces), BLOCK_BYTES):
                yield Batch(records.features, records.label)
        except recordio.Malformed as error:
            raise UserError(
                f"Unable to read data channel '{self.channel.name}'. Requested content-type is "
                f"'{self.channel.content_type}'. Please verify the data matches the requested content-type. "
                f"(caused by {type(error).__name__})\n\nCaused by: {file.path}: {error}"
            ) from error

    def _csv(self, file: DataFile, stream: io.RawIOBase | BinaryIO) -> Iterator[Batch]:
        head = _head(stream)
        columns = csv_text.first_line(head).count(",") + 1
        labels = self.channel.labels
        if columns <= labels:
            raise self._unparsable(
                file, 1, f"{columns} column(s) found, the label needs one and the features at least one"
            )
        row = 0
        options = csv_text.parser(columns, threads=cpus() > 1, block=max(BLOCK_BYTES, len(head)))
        try:
            reader = pyarrow.csv.open_csv(pa.PythonFile(_Rejoined(head, stream), mode="r"), **options)
            for part in reader:
                label = csv_text.dense(part, 0, 1)[:, 0] if labels else None
                yield Batch(csv_text.dense(part, labels, columns), label)
                row += part.num_rows
        except pa.ArrowInvalid as error:
            raise self._unparsable(file, row + 1, self._explain(file, columns) or str(error)) from error

    def _explain(self, file: DataFile, columns: int) -> str:
        if self.channel.pipe:
            return ""
        with file.path.open(encoding="utf-8", errors="replace", newline="") as lines:
            return csv_text.explain(file.name, lines, columns, ",", "this algorithm")

    def _unparsable(self, file: DataFile, row: int, cause: str) -> UserError:
        return UserError(
            f"Unable to parse csv: from row {row}, file {file.path} (caused by ParseError)\n\nCaused by: {cause}"
        )

    def _check(self, file: DataFile, row: int, block: Batch) -> Batch:
        values = block.features if isinstance(block.features, np.ndarray) else block.features.data
        for name, numbers in (("features", values), ("label", block.label)):
            if numbers is not None and not _finite(numbers):
                raise self._not_finite(file, row, name, block)
        if self.feature_dim is None or (block.sparse and not self._declared):
            self.feature_dim = max(block.columns, self.feature_dim or 0)
        if block.columns > self.feature_dim or (block.columns < self.feature_dim and not block.sparse):
            declared = f"feature_dim is {self.feature_dim}" if self._declared else f"others have {self.feature_dim}"
            raise UserError(
                f"The data of channel '{self.channel.name}' has rows with {block.columns} features, but {declared} "
                f"({file.path})"
            )
        return block.widened(self.feature_dim)

    def _not_finite(self, file: DataFile, row: int, name: str, block: Batch) -> UserError:
        if name == "label" and block.label is not None:
            place = int(np.flatnonzero(~np.isfinite(block.label))[0])
            return UserError(
                f"The label of row {row + place + 1} of {file.path} is missing or not a finite number (NaN or infinity)"
            )
        where = ~np.isfinite(block.dense())
        place, column = (int(index) for index in np.argwhere(where)[0])
        return UserError(
            f"Feature {column + 1} of row {row + place + 1} of {file.path} is missing or not a finite number (NaN or infinity)"
        )


def _finite(numbers: Floats) -> bool:
    """Whether all are. Their sum is finite only then, and quickly found; large numbers can make it overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(numbers.sum()) or np.isfinite(numbers).all())


class _Rejoined(io.RawIOBase):
    """What was read ahead, and then the rest."""

    def __init__(self, head: bytes, rest: io.RawIOBase | BinaryIO) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            piece, self._head = (self._head[:size], self._head[size:]) if size >= 0 else (self._head, b"")
            return piece
        return self._rest.read(size) or b""


def _head(stream: io.RawIOBase | BinaryIO) -> bytes:
    """Enough of a file to hold its first line that is not blank."""
    head = b""
    for piece in itertools.takewhile(bool, iter(lambda: stream.read(BLOCK_BYTES), None)):
        head += piece
        if b"\n" in head.lstrip(b"\xef\xbb\xbf\r\n"):
            break
    return head
