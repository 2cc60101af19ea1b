"""Control groups: where this machine lets the server make some for the memory of runs, and what they limit it to."""

import contextlib
import math
import os
import zlib
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


def memory_parent(data: Path) -> Path | None:
    """A folder in which a group with a memory limit can be made for each run of `data`; None when there can be none."""
    with contextlib.suppress(OSError):
        if (_MOUNT / "memory" / "memory.limit_in_bytes").exists():
            return _make(_own("memory", _MOUNT / "memory"), data, unified=False)
        if (_MOUNT / "cgroup.controllers").exists():
            return _make(_MOUNT, data, unified=True)
    return None


def release(data: Path) -> None:
    """Removes what memory_parent has made, unless it is in use."""
    for top in (_MOUNT, _MOUNT / "memory"):
        with contextlib.suppress(OSError):
            folder = (_own("memory", top) if top.name == "memory" else top) / "salvia" / _name(data)
            folder.rmdir()
            folder.parent.rmdir()


def cpu_quota() -> float:
    """CPUs that the server's own group may use; infinity where nothing limits it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        quota, period = (_own("", _MOUNT) / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        group = _own("cpu", _MOUNT / "cpu")
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        return quota_us / int((group / "cpu.cfs_period_us").read_text()) if quota_us > 0 else math.inf
    return math.inf


def memory_limit() -> float:
    """Bytes that the server's own group may use; infinity where nothing limits it."""
    with contextlib.suppress(OSError, ValueError):
        text = (_own("", _MOUNT) / "memory.max").read_text().strip()
        return math.inf if text == "max" else int(text)
    with contextlib.suppress(OSError, ValueError):
        return int((_own("memory", _MOUNT / "memory") / "memory.limit_in_bytes").read_text())
    return math.inf


def _own(controller: str, mount: Path) -> Path:
    """The group of this process under `controller` ("" is the unified hierarchy), or the top where a container hides it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = mount / path.lstrip("/")
            return group if group.exists() else mount
    return mount


def _make(top: Path, data: Path, *, unified: bool) -> Path:
    """salvia/<data folder>; the data folder tells servers apart, whose runs may have the same names."""
    folder = top
    for name in ("salvia", _name(data)):
        if unified:
            (folder / "cgroup.subtree_control").write_text("+memory")
        folder /= name
        folder.mkdir(exist_ok=True)
    if unified:
        (folder / "cgroup.subtree_control").write_text("+memory")
    if not os.access(folder, os.W_OK):
        raise PermissionError(folder)
    _sweep(folder)
    return folder


def _name(data: Path) -> str:
    return f"{zlib.crc32(os.fsencode(data)):08x}"


def _sweep(folder: Path) -> None:
    """Groups are named after supervisors; one that was killed has left its own."""
    for group in folder.iterdir():
        if group.name.isdigit() and not Path("/proc", group.name).exists():
            with contextlib.suppress(OSError):
                group.rmdir()
