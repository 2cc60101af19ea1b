"""How long a training job takes, from CreateTrainingJob to its first line and to its end, beside AWS and a fresh interpreter.

    python -m benchmarks.training.run [--jobs 15]

The job is AWS's own notebook's: built-in XGBoost on Abalone, 50 rounds. The first job, which finds no environment in
memory, is reported by itself. AWS's figures are the medians of the runs whose output stands in AWS's public example
notebooks: 13 jobs from Create to "Training in progress", 19 short jobs from start to Completed (2020-2024). The local
baseline is what the same training costs without any platform: the environment's own interpreter, started afresh, imports
the same library, trains on the same data and saves the model.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measured import training
from benchmarks.measured.jobs import HYPERPARAMETERS, IMAGE, abalone
from benchmarks.measured.processes import cpu_of
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.servers import Salvia

from salvia.adapters.images.local import LocalImages
from salvia.settings import Settings

AWS_FIRST_LINE, AWS_WHOLE = 178.0, 206.0
FIRST_LINE_GOAL, WHOLE_GOAL = 0.2, 1.5
REST = 0.3  # seconds between jobs, in which the next supervisor is made ready
FRESH = """
import sys, time
import numpy, scipy.sparse, xgboost
folder, parameters = sys.argv[1], dict(pair.split("=") for pair in sys.argv[2:])
rounds = int(parameters.pop("num_round"))
print("imported", time.time(), flush=True)
def matrix(name):
    table = numpy.loadtxt(f"{folder}/{name}.csv", delimiter=",")
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])
train, validation = matrix("train"), matrix("validation")
booster = xgboost.train(parameters, train, rounds, evals=[(train, "train"), (validation, "validation")])
booster.save_model(f"{folder}/model.ubj")
"""


def fresh(environment: Path, folder: Path) -> tuple[float, float]:
    """Seconds until the libraries are imported, when the first line can come, and until the process has ended."""
    parameters = [f"{name}={value}" for name, value in HYPERPARAMETERS.items()]
    began = time.time()
    command = [str(environment / "bin/python"), "-c", FRESH, str(folder), *parameters]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    ended = time.time()
    return float(done.stdout.split()[1]) - began, ended - began


def environment() -> Path:
    """The one that jobs of the image run in; the first job has built it if need be."""
    settings = Settings.load(data=Path("/nonexistent"))
    name = LocalImages(settings.environments).resolve(IMAGE)
    return settings.environments / name.name


def row(name: str, seconds: list[float], peers: list[float], goal: float = 0.0) -> list[str]:
    median = statistics.median(seconds)
    ratios = [f"{peer:.3g} s ({peer / median:.3g}x)" if peer else "-" for peer in peers]
    extremes = f"{min(seconds):.3f} - {max(seconds):.3f}"
    return [name, f"{median:.3f}", extremes, *ratios, *([f"{goal:g}", verdict(median, goal)] if goal else ["", ""])]


def phases(job: training.Job) -> dict[str, float]:
    """Where the time of one job went, in milliseconds, as Describe and the log's file tell it."""
    described = job.described
    begun, ended = described["TrainingStartTime"], described["TrainingEndTime"]
    steps = {step["Status"]: step for step in described["SecondaryStatusTransitions"]}
    started = begun - described["CreationTime"]
    return {
        "Create until the run has its process": started,
        "the run's process until its first line": job.printed - started,
        "first line until the process has ended": steps["Uploading"]["StartTime"] - begun - job.printed + started,
        "upload and the end": ended - steps["Uploading"]["StartTime"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as folder:
        jobs: list[training.Job] = []
        cpu: list[float] = []
        baseline: list[tuple[float, float]] = []
        for name, data in abalone().items():
            Path(folder, f"{name}.csv").write_bytes(data)
        with Salvia(Path(folder, "salvia")) as server:
            training.put_channels(server)
            first = training.run(server, "first")
            for number in range(options.jobs):
                time.sleep(REST)
                before = cpu_of(server.pid)
                jobs.append(training.run(server, f"job-{number}"))
                cpu.append(cpu_of(server.pid) - before)
                if number % 3 == 0:
                    baseline.append(fresh(environment(), Path(folder)))
    imported, whole = (statistics.median(side) for side in zip(*baseline, strict=True))
    print(machine())
    print(
        f"built-in XGBoost on Abalone, 50 rounds; {len(jobs)} jobs one after the other, {len(baseline)} fresh interpreters"
    )
    head = ["seconds", "p50", "min - max", "AWS, public runs", "fresh interpreter", "goal", ""]
    rows = [
        row("Create -> first line printed", [job.printed for job in jobs], [AWS_FIRST_LINE, imported], FIRST_LINE_GOAL),
        row("Create -> first line in GetLogEvents", [job.visible for job in jobs], [AWS_FIRST_LINE, 0]),
        row("Create -> TrainingEndTime", [job.whole for job in jobs], [AWS_WHOLE, whole], WHOLE_GOAL),
        row("Create -> Describe says Completed", [job.settled for job in jobs], [AWS_WHOLE, whole]),
        row("first job of a server: first line", [first.printed], [AWS_FIRST_LINE, imported]),
        row("first job of a server: TrainingEndTime", [first.whole], [AWS_WHOLE, whole]),
    ]
    print(table(head, rows))
    print("\nwhere the time goes, medians in ms:")
    for phase in phases(jobs[0]):
        print(f"  {statistics.median(phases(job)[phase] for job in jobs) * 1e3:6.0f}  {phase}")
    print(
        f"  {statistics.median(cpu) * 1e3:6.0f}  CPU of the server and its templates for one job, the benchmark's polling included"
    )
    metrics = {metric["MetricName"]: metric["Value"] for metric in jobs[-1].described["FinalMetricDataList"]}
    print(f"\nthe last job's metrics: {json.dumps(metrics)}")
    if not metrics.get("validation:rmse", 99.0) < 3.0:
        sys.exit("the model that was trained is not a good one")


if __name__ == "__main__":
    main()
