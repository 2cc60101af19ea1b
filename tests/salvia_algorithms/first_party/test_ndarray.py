"""MXNet's files of arrays."""

import struct

import numpy as np
import pytest

from salvia_algorithms.first_party.ndarray import Malformed, read, write

# One array of float32 [[1, 2]] named "w", as MXNet writes it.
GENUINE = bytes.fromhex(
    "1201000000000000" "0000000000000000" "0100000000000000"
    "c9fa93f9" "00000000" "02000000" "0100000000000000" "0200000000000000" "01000000" "00000000" "00000000"
    "0000803f" "00000040"
    "0100000000000000" "0100000000000000" "77"
)  # fmt: skip


def test_what_mxnet_writes_is_read_and_written_byte_for_byte() -> None:
    arrays = read(GENUINE)

    assert {name: array.tolist() for name, array in arrays.items()} == {"w": [[1, 2]]}
    assert write({"w": np.array([[1, 2]], np.float32)}) == GENUINE


def test_arrays_without_names_are_numbered() -> None:
    arrays = read(write([np.arange(3, dtype=np.int64), np.array(2.5)]))

    assert {name: array.tolist() for name, array in arrays.items()} == {"0": [0, 1, 2], "1": 2.5}


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", GENUINE[:40], GENUINE[:-1] + b"\xff", struct.pack("<QQQ", 0x112, 0, 1 << 40)]
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        read(content)
