"""Frees the beginning of a file without moving the rest: fallocate with a hole, where the file system can."""

import ctypes
import os
from pathlib import Path

_KEEP_SIZE_AND_PUNCH_HOLE = 0x03


def punch_hole(path: Path, length: int) -> bool:
    """The first `length` bytes read as zeros afterwards and take no space; false where that is not possible."""
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if fallocate is None:
        return False
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return bool(fallocate(fd, _KEEP_SIZE_AND_PUNCH_HOLE, 0, length) == 0)
    finally:
        os.close(fd)


def hole_length(path: Path) -> int:
    """How many bytes at the beginning of the file are a hole; 0 without a file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:  # no data at all: an empty file, or nothing but a hole
        return os.fstat(fd).st_size
    finally:
        os.close(fd)
