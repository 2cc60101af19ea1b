"""An object's content as payloads: split into records, and as many of them together as a request may hold."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

_RECORDIO_MAGIC = 0xCED7230A
_LENGTH = (
    1 << 29
) - 1  # the bits above say which part of a record a RecordIO frame is: 0 the whole, 1 first, 2 middle, 3 last
_LAST_PARTS = (0, 3)


class RecordError(ValueError):
    """The content cannot be split, or a record is longer than a payload may be."""


def payloads(file: BinaryIO, split: str, *, single: bool, most: int) -> Iterator[bytes]:
    """Payloads of at most `most` bytes, never more than one in memory. `split` is a SplitType; `single`: one record in each.

    Records that stand alone have no newline, frame or padding. Raises RecordError.
    """
    if split == "None":
        yield _whole(file, most)
    elif split == "Line":
        yield from _each_line(file, most) if single else _lines(file, most)
    else:
        frames = _recordio(file, most) if split == "RecordIO" else _tfrecord(file, most)
        yield from (record for _, record in frames) if single else _grouped(frames, most)


def _too_much(most: int) -> RecordError:
    return RecordError(f"Too much data for max payload size: a record is longer than {most} bytes (MaxPayloadInMB)")


def _whole(file: BinaryIO, most: int) -> bytes:
    data = file.read(most + 1)
    if len(data) > most:
        raise _too_much(most)
    return data


def _each_line(file: BinaryIO, most: int) -> Iterator[bytes]:
    while line := file.readline(most + 2):
        record = line.rstrip(b"\r\n")
        if len(record) > most:
            raise _too_much(most)
        if record:
            yield record


def _lines(file: BinaryIO, most: int) -> Iterator[bytes]:
    rest = b""
    while True:
        data = rest + file.read(most + 1 - len(rest))
        if len(data) <= most:
            if data:
                yield data
            return
        cut = data.rfind(b"\n") + 1
        if not cut:
            raise _too_much(most)
        yield data[:cut]
        rest = data[cut:]


def _recordio(file: BinaryIO, most: int) -> Iterator[tuple[bytes, bytes]]:
    """(the frames of a record, the record)"""
    frames, record = b"", b""
    while head := file.read(8):
        magic, word = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if magic != _RECORDIO_MAGIC:
            raise RecordError("the object is not RecordIO: a record does not begin with its magic number")
        size = word & _LENGTH
        if len(record) + size > most:
            raise _too_much(most)
        body = file.read(size + -size % 4)
        if len(body) < size:
            raise RecordError("the object is not RecordIO: it ends within a record")
        record += (struct.pack("<I", _RECORDIO_MAGIC) if record else b"") + body[:size]
        frames += head + body
        if word >> 29 in _LAST_PARTS:
            yield frames, record
            frames, record = b"", b""


def _tfrecord(file: BinaryIO, most: int) -> Iterator[tuple[bytes, bytes]]:
    while head := file.read(12):
        if len(head) < 12:
            raise RecordError("the object is not TFRecord: it ends within a record")
        size = int(struct.unpack("<Q", head[:8])[0])
        if size > most:
            raise _too_much(most)
        body = file.read(size + 4)
        if len(body) < size + 4:
            raise RecordError("the object is not TFRecord: it ends within a record")
        yield head + body, body[:size]


def _grouped(frames: Iterator[tuple[bytes, bytes]], most: int) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for frame, _ in frames:
        if held and size + len(frame) > most:
            yield b"".join(held)
            held, size = [], 0
        held.append(frame)
        size += len(frame)
    if held:
        yield b"".join(held)
