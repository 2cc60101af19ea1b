"""What a search found, kept from one run of the benchmark to the next: an engine that has not changed searches a problem once.

A search is known by the engine (its packages and the file that asks it, or the surrogate's own source), by the problem (its ranges and its
values at points drawn by chance), the seed and the number of trials. It lies below `~/.cache/salvia/benchmarks/tuning`.
"""

import hashlib
import json
import os
import random
from pathlib import Path

from benchmarks.tuning.problems import Problem

from salvia.services.sagemaker.tuning.space import values_at

Search = tuple[list[float], float]
_PROBES = 16


def kept(engine: str, problem: Problem, seed: int, trials: int) -> Search | None:
    """The values in the order in which they came, and CPU seconds for one suggestion. `engine` says all that decides them."""
    file = _file(engine, problem, seed, trials)
    if not file.exists():
        return None
    values, cpu = json.loads(file.read_text())
    return values, cpu


def keep(engine: str, problem: Problem, seed: int, trials: int, found: Search) -> None:
    file = _file(engine, problem, seed, trials)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(json.dumps(found))
    draft.rename(file)


def source(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _problem(problem: Problem) -> list[str]:
    draw = random.Random(problem.name)
    points = [[draw.random() for _ in problem.ranges] for _ in range(_PROBES)]
    values = [problem.value(problem.typed(values_at(problem.ranges, point))) for point in points]
    return [repr(problem.ranges), *(f"{value:.9g}" for value in values)]


def _file(engine: str, problem: Problem, seed: int, trials: int) -> Path:
    told = json.dumps([engine, _problem(problem), seed, trials])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "salvia/benchmarks/tuning" / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"
