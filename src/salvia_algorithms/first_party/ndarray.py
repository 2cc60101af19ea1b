"""MXNet's files of arrays, in which AWS's own algorithms keep their models.

All numbers are little-endian: u64 0x112, u64 0, u64 count; each array as u32 0xF993FAC9, i32 storage (0: dense), u32
dimensions, an i64 for each, i32 device type, i32 device id, i32 element type, elements; then u64 count of names (that of the
arrays, or 0) and each name as u64 length and bytes.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LIST_MAGIC = 0x112
ARRAY_MAGIC = 0xF993FAC9
TYPES: dict[int, str] = {0: "<f4", 1: "<f8", 2: "<f2", 3: "|u1", 4: "<i4", 5: "|i1", 6: "<i8"}
CODES = {np.dtype(name): code for code, name in TYPES.items()}
CPU = 1

Array = npt.NDArray[Any]


class Malformed(ValueError):
    """The bytes are not a list of MXNet arrays."""


def write(arrays: Mapping[str, Array] | Sequence[Array]) -> bytes:
    """Encodes arrays with names, or without."""
    names = list(arrays) if isinstance(arrays, Mapping) else []
    values = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    out = [struct.pack("<QQQ", LIST_MAGIC, 0, len(values))]
    for value in values:
        array = np.asarray(value)  # keeps 0-d apart from 1-d, which ascontiguousarray would not
        out.append(struct.pack(f"<IiI{array.ndim}q", ARRAY_MAGIC, 0, array.ndim, *array.shape))
        out.append(struct.pack("<iii", CPU, 0, CODES[array.dtype]))
        out.append(array.tobytes())
    out.append(struct.pack("<Q", len(names)))
    out += [struct.pack("<Q", len(name.encode())) + name.encode() for name in names]
    return b"".join(out)


def read(data: bytes) -> dict[str, Array]:
    """The arrays by name; those without names as "0", "1", ... Raises Malformed."""
    try:
        return _read(data)
    except (struct.error, KeyError, ValueError) as error:
        raise Malformed(f"not a list of MXNet arrays: {error}") from error


def _read(data: bytes) -> dict[str, Array]:
    magic, _, count = struct.unpack_from("<QQQ", data)
    if magic != LIST_MAGIC:
        raise Malformed("wrong magic number")
    at = 24
    arrays: list[Array] = []
    for _ in range(count):
        magic, storage, dimensions = struct.unpack_from("<IiI", data, at)
        if magic != ARRAY_MAGIC or storage != 0:
            raise Malformed(f"array {len(arrays)} is not a dense array")
        shape = struct.unpack_from(f"<{dimensions}q", data, at + 12)
        at += 12 + 8 * dimensions
        dtype = np.dtype(TYPES[struct.unpack_from("<iii", data, at)[2]])
        size = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(data, dtype, size, at + 12).reshape(shape))
        at += 12 + size * dtype.itemsize
    (named,) = struct.unpack_from("<Q", data, at)
    at += 8
    names = []
    for _ in range(named):
        (length,) = struct.unpack_from("<Q", data, at)
        names.append(data[at + 8 : at + 8 + length].decode())
        at += 8 + length
    return dict(zip(names or map(str, range(count)), arrays, strict=True))
