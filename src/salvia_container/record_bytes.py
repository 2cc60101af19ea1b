"""The bytes below recordio-protobuf: the magic number of its frames, and protobuf's numbers of variable length."""

import numpy as np
import numpy.typing as npt

MAGIC = 0xCED7230A


def varint(payload: memoryview, start: int) -> tuple[int, int]:
    """The number at `start` and the place behind it. Raises IndexError when the bytes end before it does."""
    value = shift = 0
    while True:
        byte = payload[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
        shift += 7


def varints(data: memoryview | bytes) -> npt.NDArray[np.int64]:
    """Decodes packed varints at once. Negative int32s come as 64-bit two's complement and stay negative."""
    raw = np.frombuffer(data, np.uint8)
    if not len(raw):
        return np.empty(0, np.int64)
    last = raw < 0x80
    if not last[-1]:
        raise IndexError
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(raw)) - np.repeat(starts, ends - starts + 1)
    parts = (raw & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.add.reduceat(parts, starts).astype(np.int64)
