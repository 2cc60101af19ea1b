"""How good the Bayesian search is after 30 and 60 trials with 4 at a time, beside Optuna, SMAC and Syne Tune.

    python -m benchmarks.tuning.run [--seeds 10] [--engines salvia,random,optuna-TPE,optuna-GP,smac,syne-tune] [--trials 60] [--kept]

Every engine searches the same problems (benchmarks/tuning/problems.py) from the same seeds. Four trials run at a time; which of
them ends next is drawn by chance, the same for every engine. Regret is normalised: 0 is the best value known, 1 what random
search has reached after the last trial, in the median. Ranks are taken problem by problem and seed by seed. CPU is the engine's
own process for one suggestion.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Read when numpy is loaded: several threads make small matrices slower. The product sets one too, and so do the peers.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from benchmarks.measured.peers import environment
from benchmarks.measured.processes import cpu_of
from benchmarks.measured.report import machine, table, verdict
from benchmarks.tuning.kept import Search, keep, kept, source
from benchmarks.tuning.problems import Problem, problems

from salvia.adapters.surrogate import proposal
from salvia.ports.surrogate import Observations
from salvia.services.sagemaker.tuning.space import values_at

PARALLEL, HALF = 4, 30
WORST = 3.0  # a regret counts for no more, lest one bad search decides
OVERHEAD_GOAL = 0.1
PACKAGES = {
    "optuna-TPE": ("optuna==5.0.0", "scipy"),
    "optuna-GP": ("optuna==5.0.0", "scipy", "torch==2.13.0"),
    "smac": ("smac==2.4.1",),
    "syne-tune": ("syne-tune[basic]==0.16.0", "huggingface_hub"),
}
Engine = Callable[[Problem, int, int], Search]


def identity(name: str) -> str:
    """All that decides what an engine finds."""
    if name == "salvia":
        return f"salvia {source(*sorted(Path(proposal.__file__).parent.glob('*.py')))}"
    return f"{name} {PACKAGES[name]} {source(Path(__file__).with_name('engine.py'))}" if name in PACKAGES else name


def order(seed: int) -> random.Random:
    """Which of the running trials ends next."""
    return random.Random(f"order {seed}")


def salvia(problem: Problem, seed: int, trials: int) -> Search:
    """The values in the order in which the trials ended, and CPU seconds for one suggestion."""
    ends, cpu = order(seed), 0.0
    points: list[list[float]] = []
    values: list[float] = []
    running: list[list[float]] = []
    dimensions = [each.dimension() for each in problem.ranges]
    asked = 0
    while len(values) < trials:
        while len(running) < PARALLEL and asked < trials:
            began = time.process_time()
            found = proposal.suggest(Observations(dimensions, points, values, running, seed, asked))
            cpu += time.process_time() - began
            running.append(list(found.point))
            asked += 1
        point = running.pop(ends.randrange(len(running)))
        points.append(point)
        values.append(problem.value(problem.typed(values_at(problem.ranges, point))))
    return values, cpu / trials


def by_chance(problem: Problem, seed: int, trials: int) -> Search:
    draw = random.Random(seed)
    points = [[draw.random() for _ in problem.ranges] for _ in range(trials)]
    return [problem.value(problem.typed(values_at(problem.ranges, point))) for point in points], 0.0


def peer(name: str) -> Engine:
    """In a process of its own, started when first needed, that stays for all searches."""

    @cache
    def started() -> subprocess.Popen[str]:
        python = environment(name, PACKAGES[name]) / "bin/python"
        return subprocess.Popen(
            [str(python), str(Path(__file__).with_name("engine.py")), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(problem: Problem, seed: int, trials: int) -> Search:
        return _searched(started(), problem, seed, trials)

    return run


def _searched(process: Any, problem: Problem, seed: int, trials: int) -> Search:
    def say(document: dict[str, Any]) -> None:
        process.stdin.write(f"{json.dumps(document)}\n")
        process.stdin.flush()

    def asked() -> tuple[int, dict[str, Any]]:
        say({"ask": True})
        said = json.loads(process.stdout.readline())
        return said["id"], said["values"]

    ranges = [
        {"name": r.name, "kind": r.kind, "low": r.low, "high": r.high, "scaling": r.scaling, "values": list(r.values)}
        for r in problem.ranges
    ]
    say({"ranges": ranges, "seed": seed})
    ends, running, count = order(seed), [asked()], 1
    values: list[float] = []
    started = cpu_of(process.pid)
    while len(values) < trials:
        while len(running) < PARALLEL and count < trials:
            running.append(asked())
            count += 1
        number, chosen = running.pop(ends.randrange(len(running)))
        values.append(problem.value(chosen))
        say({"tell": number, "value": values[-1]})
    cpu = (cpu_of(process.pid) - started) / trials
    return values, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--engines", default="salvia,random,optuna-TPE,optuna-GP,smac,syne-tune")
    parser.add_argument(
        "--kept", action="store_true", help="search nothing: only what all engines have searched before"
    )
    options = parser.parse_args()
    own: dict[str, Engine] = {"salvia": salvia, "random": by_chance}
    engines = {name: own.get(name) or peer(name) for name in options.engines.split(",")}
    cells: list[Cell] = []
    for problem in problems():
        for seed in range(options.seeds):
            found = {name: search(name, engines[name], problem, seed, options) for name in engines}
            complete = {name: each for name, each in found.items() if each is not None}
            if len(complete) == len(engines):
                cells.append(Cell(problem, complete))
        print(f"{problem.name}: done", file=sys.stderr, flush=True)
    report(list(engines), cells, options)


@dataclass(frozen=True)
class Cell:
    """One problem, searched by every engine from one seed."""

    problem: Problem
    found: dict[str, Search]

    def best(self, name: str, trials: int) -> float:
        return min(self.found[name][0][:trials])

    def rank(self, name: str, trials: int) -> float:
        mine = self.best(name, trials)
        others = [self.best(other, trials) for other in self.found]
        return sum(o < mine for o in others) + (1 + sum(o == mine for o in others)) / 2

    def regret(self, name: str, trials: int, scale: float) -> float:
        return min(WORST, max(0.0, (self.best(name, trials) - self.problem.best) / scale))


def search(name: str, engine: Engine, problem: Problem, seed: int, options: Any) -> Search | None:
    told = (identity(name), problem, seed, options.trials)
    found = kept(*told)
    if found is None and not options.kept:
        found = engine(problem, seed, options.trials)
        keep(*told, found)
    return found


def by_luck(problem: Problem, trials: int) -> float:
    """What is left to be gained after a random search, in the median."""
    return statistics.median(min(by_chance(problem, 1000 + s, trials)[0]) for s in range(20)) - problem.best


def report(names: list[str], cells: list[Cell], options: Any) -> None:
    chosen = list({cell.problem.name: cell.problem for cell in cells}.values())
    scales = {problem.name: by_luck(problem, options.trials) for problem in chosen}
    counts = {problem.name: sum(cell.problem is problem for cell in cells) for problem in chosen}

    def regrets(name: str, trials: int) -> list[float]:
        return [
            statistics.mean(
                cell.regret(name, trials, scales[problem.name]) for cell in cells if cell.problem is problem
            )
            for problem in chosen
        ]

    rows = []
    for name in names:
        ranks = [statistics.mean(cell.rank(name, trials) for cell in cells) for trials in (HALF, options.trials)]
        early, late = regrets(name, HALF), regrets(name, options.trials)
        cpu = statistics.mean(cell.found[name][1] for cell in cells)
        means = [statistics.mean(early), statistics.mean(late)]
        figures = [*(f"{each:.2f}" for each in ranks), *(f"{each:.3f}" for each in (*means, *late))]
        rows.append([name, *figures, f"{cpu * 1e3:.0f}"])
    print(machine())
    print(f"{options.trials} trials, {PARALLEL} at a time; rank and normalised regret, less is better")
    head = ["", f"rank@{HALF}", f"rank@{options.trials}", f"regret@{HALF}", f"regret@{options.trials}"]
    rows.append(["seeds", "", "", "", "", *(str(counts[problem.name]) for problem in chosen), ""])
    print(table([*head, *(problem.name for problem in chosen), "CPU ms"], rows))
    if "salvia" in names:
        took = statistics.mean(cell.found["salvia"][1] for cell in cells)
        goal = f"{OVERHEAD_GOAL * 1e3:.0f}: {verdict(took, OVERHEAD_GOAL)}"
        print(f"CPU of one suggestion: {took * 1e3:.0f} ms, goal {goal}")


if __name__ == "__main__":
    main()
