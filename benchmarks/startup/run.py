"""How soon a server answers and how much memory it holds when nobody asks, beside moto_server.

    python -m benchmarks.startup.run [--starts 7] [--idle 60] [--no-moto] [--no-job]

Ready: from the start of the process to the answer to a signed ListTrainingJobs, asked again every 2 ms. Memory:
proportional set size of the whole process tree, which counts a shared page once, after `--idle` seconds without a request
before any job, and again after a training job has left its environment's template in memory for the next.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measured import training
from benchmarks.measured.processes import cpu_of, memory_of, tree
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.servers import Moto, Salvia, Server

READY_GOAL, MEMORY_GOAL = 1.0, 120e6
FIRST_STARTS = 3


def starts(make: Callable[[Path], Server], folders: list[Path]) -> tuple[list[float], list[float]]:
    """Seconds until ready and CPU seconds until then, of one start in each folder."""
    ready, cpu = [], []
    for folder in folders:
        with make(folder) as server:
            ready.append(server.ready_after)
            cpu.append(cpu_of(server.pid))
    return ready, cpu


def row(name: str, ours: float, theirs: float, goal: float, scale: float, digits: int) -> list[str]:
    ratio = f"{theirs / ours:.1f}x" if theirs else "-"
    peer = f"{theirs / scale:.{digits}f}" if theirs else "-"
    return [
        name,
        f"{ours / scale:.{digits}f}",
        peer,
        ratio,
        *([f"{goal / scale:g}", verdict(ours, goal)] if goal else ["", ""]),
    ]


def idle(server: Server, seconds: float) -> tuple[float, float]:
    """Bytes held after so many seconds of rest, and the share of a core used meanwhile."""
    before = cpu_of(server.pid)
    time.sleep(seconds)
    return memory_of(server.pid), (cpu_of(server.pid) - before) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--no-moto", action="store_true")
    parser.add_argument("--no-job", action="store_true")
    options = parser.parse_args()
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as name:
        folder = Path(name)
        starts(Salvia, [folder / "compiles"])
        first, _ = starts(Salvia, [folder / f"first-{number}" for number in range(FIRST_STARTS)])
        again, cpu = starts(Salvia, [folder / "first-0"] * options.starts)
        moto, moto_cpu, moto_memory = [0.0], [0.0], 0.0
        if not options.no_moto:
            starts(Moto, [folder / "moto"])
            moto, moto_cpu = starts(Moto, [folder / "moto"] * options.starts)
            with Moto(folder / "moto") as server:
                moto_memory, _ = idle(server, 3.0)
        rows.append(row("ready, seconds", statistics.median(again), statistics.median(moto), READY_GOAL, 1, 2))
        rows.append(
            row(
                "ready on a new data folder, seconds",
                statistics.median(first),
                statistics.median(moto),
                READY_GOAL,
                1,
                2,
            )
        )
        rows.append(row("CPU until ready, seconds", statistics.median(cpu), statistics.median(moto_cpu), 0, 1, 2))
        with Salvia(folder / "first-0") as server:
            memory, share = idle(server, options.idle / 6)
            rows.append(row("idle, MB", memory, moto_memory, MEMORY_GOAL, 1e6, 0))
            if not options.no_job:
                training.put_channels(server)
                training.run(server, "warm")
                both, share_after = idle(server, options.idle)
                rows.append(row("idle after a job, with its template, MB", both, moto_memory, MEMORY_GOAL, 1e6, 0))
                templates = sum(memory_of(pid) for pid in tree(server.pid)[1:2])
                rows.append(row("  of which the template's processes, MB", templates, 0, 0, 1e6, 0))
                share = max(share, share_after)
    print(machine())
    print(
        f"medians of {options.starts} starts; memory after {options.idle:g} s of rest, with {share:.1%} of one core used meanwhile"
    )
    print(table(["", "Salvia", Moto.name, "ratio", "goal", ""], rows))


if __name__ == "__main__":
    main()
