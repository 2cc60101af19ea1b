"""CPU time and memory of a process with everything it has started, as the kernel counts them."""

import os
from contextlib import suppress
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU time, user and system, of the tree; also of children that have ended and were waited for."""
    return sum(sum(_times(member)) for member in tree(pid))


def cpu_alone(pid: int) -> float:
    """Seconds of CPU time, user and system, of one process: all its threads, no child."""
    return sum(_times(pid)[:2])


def _times(pid: int) -> list[float]:
    """User and system time, and both again of children that were waited for; nothing for a process that has gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return [int(field) * _TICK for field in fields[11:15]]
    return []


def memory_of(pid: int) -> int:
    """Bytes that the tree holds: proportional set size, which counts a page that several share once."""
    total = 0
    for member in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
