"""The folders of runs, and what they say about each run."""

import contextlib
import os
import re
import signal
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from salvia.ports.compute import Run
from salvia_container.launch import record

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_DYING_SECONDS = 10.0  # how long a killed run may take to be gone


class RunFolders:
    """`top`/<name> for each run. All methods may be called from any thread, and by several servers."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(parents=True, exist_ok=True)
        top.chmod(0o700)

    def path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a run: letters, digits, '.', '_' and '-', at most 200")
        return self.top / name

    def make(self, name: str) -> None:
        (self.path(name) / "ml").mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[int]:
        """Raises FileNotFoundError when there is none."""
        folder = os.open(self.path(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)

    def observe(self, name: str) -> Run | None:
        """None when user code was never given the right to start."""
        try:
            with self.open(name) as folder:
                return _observe(name, folder)
        except FileNotFoundError:
            return None

    def supervisor(self, name: str) -> int | None:
        """A pidfd of the living supervisor; None when there is none that this process could see."""
        with contextlib.suppress(OSError), self.open(name) as folder:
            claim = record.read_claim(folder)
            if claim is None or claim.where != record.here():
                return None
            pidfd = os.pidfd_open(claim.pid)
            if record.is_held(folder):  # else the number may be another's by now
                return pidfd
            os.close(pidfd)
        return None

    def stop(self, name: str, grace: float) -> None:
        self.make(name)
        with self.open(name) as folder:
            record.write_stop(folder, grace)
        supervisor = self.supervisor(name)
        if supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(supervisor, signal.SIGUSR1)
            os.close(supervisor)

    def remove(self, name: str) -> None:
        """Ends the run if need be. Blocks; raises TimeoutError when the run would not die."""
        path = self.path(name)
        if not path.exists():
            return
        self.stop(name, 0)
        with self.open(name) as folder:
            mine = record.claim(folder)  # never launched: a launch that comes too late finds it taken
            if mine is None:
                _wait_until_gone(name, folder)
        grave = self.top / f".removed-{uuid.uuid4().hex}"
        path.rename(grave)
        if mine is not None:
            os.close(mine)
        for left in self.top.glob(".removed-*"):  # also what a killed server left behind
            _delete(left)


def _observe(name: str, folder: int) -> Run | None:
    claim = record.read_claim(folder)
    if claim is None:
        return None
    # The lock first: a supervisor writes the ending before it lets go.
    lost = not record.is_held(folder)
    ending = record.read_ending(folder)
    if ending is None and lost:
        record.write_ending(folder, record.Ending(-signal.SIGKILL, time.time(), "Lost"))
        ending = record.read_ending(folder)
    if ending is None:
        return Run(name, claim.started)
    return Run(name, claim.started, ending.exit_code, ending.ended, ending.cause)


def _wait_until_gone(name: str, folder: int) -> None:
    until = time.monotonic() + _DYING_SECONDS
    while record.read_ending(folder) is None and _observe(name, folder) is not None:
        if time.monotonic() > until:
            raise TimeoutError(f"run {name} does not end")
        time.sleep(0.005)


def _delete(top: Path) -> None:
    """Removes `top`, however deep it is (a path ends at 4096 bytes, Python's stack sooner) and whatever modes it holds.

    Each folder's folders are moved up beside it, so nothing is ever more than two levels deep. Others may do the same to
    the same folder meanwhile.
    """
    with contextlib.suppress(FileNotFoundError), _opened(top) as shelf:
        _empty(shelf, shelf)
        while names := os.listdir(shelf):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    with _opened(name, shelf) as folder:
                        _empty(folder, shelf)
                    os.rmdir(name, dir_fd=shelf)
        top.rmdir()


def _empty(folder: int, shelf: int) -> None:
    """Unlinks the files of `folder` and moves its folders to `shelf`, under new names and with modes that let them be emptied."""
    os.fchmod(folder, stat.S_IRWXU)
    for entry in list(os.scandir(folder)):
        with contextlib.suppress(FileNotFoundError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
            os.chmod(entry.name, stat.S_IRWXU, dir_fd=folder)
            os.rename(entry.name, uuid.uuid4().hex, src_dir_fd=folder, dst_dir_fd=shelf)


@contextlib.contextmanager
def _opened(path: Path | str, at: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
