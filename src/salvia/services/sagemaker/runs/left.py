"""Reading what a job left, or is writing, in its /opt/ml: never through a link, which could point anywhere on this machine."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CHUNK = 1 << 20


def files_below(ml: Path, name: str) -> Iterator[Path]:
    """The regular files below `ml`/`name`, in order; none when the folder, or one on the way to it, is a link.

    What cannot be listed, or goes meanwhile, is left out.
    """
    top = ml
    for part in PurePosixPath(name).parts:
        top /= part
        if top.is_symlink():
            return
    folders = [top]
    while folders:  # not os.walk, which cannot go deeper than Python's stack
        try:
            entries = sorted(os.scandir(folders.pop()), key=lambda entry: entry.name)
        except OSError:
            continue
        yield from (Path(entry) for entry in entries if entry.is_file(follow_symlinks=False))
        folders += [Path(entry) for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]


def read_below(ml: Path, name: str, most: int = -1) -> bytes:
    """The content of the regular file `ml`/`name`, up to `most` bytes, while the job may still run. Raises OSError."""
    with os.fdopen(_opened(ml, name), "rb") as file:
        return file.read(most)


def copy_below(ml: Path, name: str, target: Path) -> None:
    """Copy the regular file `ml`/`name` over `target`, as long as it is at the beginning. Raises OSError."""
    with os.fdopen(_opened(ml, name), "rb") as file, target.open("wb") as copy:
        left = os.fstat(file.fileno()).st_size
        while left and (data := file.read(min(left, _CHUNK))):
            left -= copy.write(data)


def open_up(ml: Path, name: str) -> None:
    """Let the server read all that is below `ml`/`name`, whatever modes the job left there. Only after the job has ended.

    Raises OSError when some of it cannot be reached: a path may have no more than 4096 bytes.
    """
    top = ml / name
    if top.is_symlink() or not top.is_dir():
        return
    folders = [top]
    while folders:
        folder = folders.pop()
        _add_mode(folder, stat.S_IRWXU)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry))
            elif entry.is_file(follow_symlinks=False):
                _add_mode(entry, stat.S_IRUSR)


def _add_mode(path: os.PathLike[str], bits: int) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & bits != bits:
        os.chmod(path, mode | bits)


def _opened(ml: Path, name: str) -> int:
    """Each part of the way is opened from the one before, so nothing that is swapped for a link meanwhile is followed."""
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
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise OSError(f"{name} is not a regular file")
