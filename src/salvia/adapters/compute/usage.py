"""Usage as this machine's kernel counts it: what stands in /proc below a run's supervisor."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from salvia.adapters.compute.docker.engine import MARK
from salvia.adapters.compute.process.folders import RunFolders
from salvia.ports.usage import Used
from salvia_container.launch import record

_TICK = 1 / os.sysconf("SC_CLK_TCK")


class ProcUsage:
    """Of the runs in the folder `runs`. A daemon's containers are no descendants of theirs, so nothing is said of them."""

    def __init__(self, runs: Path) -> None:
        self._folders = RunFolders(runs)

    async def of(self, run: str) -> Used | None:
        return await asyncio.to_thread(self._of, run)

    def _of(self, run: str) -> Used | None:
        with suppress(OSError), self._folders.open(run) as folder:
            claim = record.read_claim(folder)
            ours = claim is not None and claim.where == record.here() and record.is_held(folder)
            if claim is not None and ours and not (self._folders.path(run) / MARK).exists():
                below = _below(claim.pid)
                return Used(sum(map(_cpu, below)), sum(map(_memory, below)))
        return None


def _below(pid: int) -> list[int]:
    """The living descendants of a process."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found[1:]


def _cpu(pid: int) -> float:
    """In seconds, with that of its children that have ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) * _TICK
    return 0.0


def _memory(pid: int) -> int:
    """In bytes; of pages that several processes share, its part."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
