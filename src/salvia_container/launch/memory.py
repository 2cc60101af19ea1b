"""The memory limit of a run: a control group where there may be one, else the supervisor's own eyes."""

import contextlib
import os
import time
from collections.abc import Callable

LOOK_EVERY = 0.25  # seconds between looks, without a control group
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Group:
    """A memory control group (version 1 or 2) below the folder that `parent` is a descriptor of."""

    interval = 1.0

    def __init__(self, parent: int, name: str) -> None:
        """Raises OSError where groups cannot be made."""
        self._parent, self._name = parent, name
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
        self._folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)

    def limit(self, size: int) -> None:
        if self._has("memory.max"):
            self._write("memory.max", size)
            self._try_write("memory.swap.max", 0)
            self._try_write("memory.oom.group", 1)
        else:
            self._write("memory.limit_in_bytes", size)
            self._try_write("memory.memsw.limit_in_bytes", size)

    def add(self, pid: int) -> None:
        self._write("cgroup.procs", pid)

    def exceeded(self) -> bool:
        """Whether the kernel killed for memory."""
        text = self._read("memory.events" if self._has("memory.events") else "memory.oom_control")
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in text.splitlines())

    def remove(self) -> None:
        os.close(self._folder)
        for _ in range(50):
            try:
                os.rmdir(self._name, dir_fd=self._parent)
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)  # its last process is still being buried
            else:
                return

    def _has(self, name: str) -> bool:
        return os.access(name, os.F_OK, dir_fd=self._folder)

    def _read(self, name: str) -> str:
        file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            return os.read(file, 65536).decode()
        finally:
            os.close(file)

    def _write(self, name: str, value: int) -> None:
        file = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            os.write(file, str(value).encode())
        finally:
            os.close(file)

    def _try_write(self, name: str, value: int) -> None:
        with contextlib.suppress(OSError):
            self._write(name, value)


class Watch:
    """Adds up what the processes of a run hold. A run that allocates faster than it is looked at can overshoot."""

    interval = LOOK_EVERY

    def __init__(self) -> None:
        self._limit = 0
        self._processes = ""

    def limit(self, size: int) -> None:
        self._limit = size

    def add(self, pid: int) -> None:
        self._processes = f"/proc/{pid}/root/proc"  # the run's own /proc: it shows the run's processes and no other

    def exceeded(self) -> bool:
        if self._sum(_resident) <= self._limit:
            return False
        return self._sum(_proportional) > self._limit  # dearer to read, but counts shared pages once

    def remove(self) -> None:
        pass

    def _sum(self, measure: Callable[[str], int]) -> int:
        with contextlib.suppress(OSError):
            return sum(measure(f"{self._processes}/{pid}") for pid in os.listdir(self._processes) if pid.isdigit())
        return 0


def _resident(process: str) -> int:
    with contextlib.suppress(OSError), open(f"{process}/statm") as file:
        return int(file.read().split()[1]) * _PAGE
    return 0


def _proportional(process: str) -> int:
    with contextlib.suppress(OSError), open(f"{process}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
