"""A server's own folder for what it is writing, so that what a dead server left can be told from what a living one writes.

`incoming/<session>/` is held by a lock on the folder itself, which ends with the process however it dies. While a content
is written its file has a second name there; the name goes when the content is part of the index. So the folders of dead
sessions name all that may be left over, and a sweep costs as much as was being written, not as much as is stored.
"""

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


class Session:
    def __init__(self, incoming: Path) -> None:
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            self.folder = incoming / uuid.uuid4().hex
            self.folder.mkdir(mode=0o700)
            lock = _lock(self.folder)
            # a sweep may have taken the folder for a dead one's before it was locked
            if lock is not None and self.folder.exists():
                self._lock = lock
                return
            if lock is not None:
                os.close(lock)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        os.close(self._lock)


@contextlib.contextmanager
def dead_sessions(incoming: Path) -> Iterator[list[Path]]:
    """The folders of servers that are gone; locked while the context lasts, so that one sweeps at a time."""
    locks = []
    folders = []
    for folder in sorted(incoming.iterdir()) if incoming.exists() else ():
        lock = _lock(folder)
        if lock is not None:
            locks.append(lock)
            folders.append(folder)
    try:
        yield folders
    finally:
        for lock in locks:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
