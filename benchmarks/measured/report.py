"""How the benchmarks print: a table with a ratio in it, and what the machine was like."""

import os
import platform
from collections.abc import Sequence


def machine() -> str:
    """In general terms, with the load that others put on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory} GiB, {platform.machine()}, Python {platform.python_version()}, load {load}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def verdict(value: float, goal: float) -> str:
    return "met" if value <= goal else "missed"
