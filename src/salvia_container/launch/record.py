"""The files in a run's folder by which supervisors and servers agree, without ever talking to each other.

claim   made and locked by the one supervisor that may start user code; its lock is held while the run lives, which is no
        longer than the file is there
stop    the wish to end it: a grace in seconds
exit    how it ended; written once, whole
room    holds the disk space that the ending needs, in case the run fills the disk
"""

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass

from salvia_container.launch import kernel

CLAIM, STOP, EXIT, ROOM = "claim", "stop", "exit", "room"
_ROOM = 1 << 20  # bytes: for the ending, and for what the server then writes until it can remove the run


@dataclass(frozen=True, slots=True)
class Claim:
    """`pid` means something only to processes whose `here()` is `where`."""

    pid: int
    started: float
    where: str


@dataclass(frozen=True, slots=True)
class Ending:
    exit_code: int
    ended: float
    cause: str = ""


def claim(folder: int) -> int | None:
    """The right to start this run, as a locked file descriptor to keep open; None when it was ever given before."""
    descriptor = os.open(CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=folder)
    while os.fstat(descriptor).st_size == 0:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)  # its holder is about to write, or about to die
            continue
        if os.fstat(descriptor).st_size:
            break
        os.write(descriptor, json.dumps(asdict(Claim(os.getpid(), time.time(), here()))).encode())
        return descriptor
    os.close(descriptor)
    return None


def is_gone(claim: int) -> bool:
    """Whether the file of a held claim was deleted, the run's folder or the whole data folder with it: no server can find the run."""
    return os.fstat(claim).st_nlink == 0


def here() -> str:
    """Names this boot of this machine, and this pid namespace of it."""
    boot = kernel.read_text("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"


def read_claim(folder: int) -> Claim | None:
    data = _read(folder, CLAIM)
    return Claim(**json.loads(data)) if data else None


def is_held(folder: int) -> bool:
    """Whether the claim's supervisor lives. Only asked of claims that are written."""
    descriptor = os.open(CLAIM, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def keep_room(folder: int) -> None:
    """Before user code begins. Raises OSError where there is no room to keep."""
    descriptor = os.open(ROOM, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.posix_fallocate(descriptor, 0, _ROOM)
    finally:
        os.close(descriptor)


def is_full(folder: int) -> bool:
    """Whether a run can have ended because its disk is full. It is not once the ending is written."""
    disk = os.fstatvfs(folder)
    return disk.f_bavail * disk.f_frsize < _ROOM


def write_ending(folder: int, ending: Ending) -> None:
    """Durable when it returns; the first ending stays. Raises OSError when others have filled the disk."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(ROOM, dir_fd=folder)
    _write_once(folder, EXIT, json.dumps(asdict(ending)).encode())


def read_ending(folder: int) -> Ending | None:
    data = _read(folder, EXIT)
    return Ending(**json.loads(data)) if data else None


def write_stop(folder: int, grace: float) -> None:
    """The shortest grace that was ever wished counts."""
    before = read_stop(folder)
    if before is None or grace < before:
        _write(folder, STOP, json.dumps(grace).encode())


def read_stop(folder: int) -> float | None:
    data = _read(folder, STOP)
    return float(json.loads(data)) if data else None


def _read(folder: int, name: str) -> bytes:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return b""
    with open(descriptor, "rb") as file:
        return file.read()


def _write(folder: int, name: str, data: bytes) -> None:
    temporary = _stage(folder, name, data)
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _write_once(folder: int, name: str, data: bytes) -> None:
    temporary = _stage(folder, name, data)
    with contextlib.suppress(FileExistsError):
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)


def _stage(folder: int, name: str, data: bytes) -> str:
    temporary = f".{name}.{os.getpid()}.{time.monotonic_ns()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)
    return temporary
