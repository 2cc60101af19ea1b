"""Reading what a job left, or is writing, in its /opt/ml: never through a link, which could point anywhere on this machine."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def files_below(ml: Path, name: str) -> Iterator[Path]:
    """The regular files below `ml`/`name`, in order; none when the folder, or one on the way to it, is a link."""
    top = ml
    for part in PurePosixPath(name).parts:
        top /= part
        if top.is_symlink():
            return
    for parent, folders, names in os.walk(top):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def read_below(ml: Path, name: str, most: int = -1) -> bytes:
    """The content of the regular file `ml`/`name`, up to `most` bytes, while the job may still run.

    Each part of the way is opened from the one before, so nothing that is swapped for a link meanwhile is followed.
    Raises OSError, also for what is not a regular file.
    """
    *folders, last = PurePosixPath(name).parts
    at = os.open(ml, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(f"{name} is not a regular file")
        return opened.read(most)
