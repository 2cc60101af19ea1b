"""What a tuning job adds to its training jobs: the time from the end of one to the creation of the next.

    python -m benchmarks.tuning.overhead [--trials 20]

Built-in XGBoost on Abalone, one training job at a time, so that nothing happens in the gaps but what the tuning job does: it
learns of the end, reads the objective, makes its model and chooses, and creates the next. Times are those that Describe tells.
"""

import argparse
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.measured import training
from benchmarks.measured.jobs import asked
from benchmarks.measured.report import machine, table, verdict
from benchmarks.measured.servers import Salvia

GOAL = 0.1  # seconds a trial
LONGEST = 900.0
TUNED = ("eta", "gamma", "min_child_weight", "subsample")
RANGES = {"eta": ("0.01", "0.5"), "gamma": ("0", "5"), "min_child_weight": ("1", "20"), "subsample": ("0.5", "1")}


def request(name: str, strategy: str, trials: int) -> dict[str, Any]:
    job = asked(name)
    ranges = [{"Name": each, "MinValue": low, "MaxValue": high} for each, (low, high) in RANGES.items()]
    definition = {
        "StaticHyperParameters": {each: value for each, value in job["HyperParameters"].items() if each not in TUNED},
        **{member: job[member] for member in ("AlgorithmSpecification", "InputDataConfig", "OutputDataConfig")},
        **{member: job[member] for member in ("ResourceConfig", "RoleArn", "StoppingCondition")},
    }
    config = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 1},
        "ParameterRanges": {"ContinuousParameterRanges": ranges},
        "RandomSeed": 1,
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition,
    }


def gaps(server: Salvia, strategy: str, trials: int) -> list[float]:
    """Seconds between one training job and the next. Raises RuntimeError when the tuning job does not complete."""
    name = strategy.lower()
    training.ask(server, "SageMaker.CreateHyperParameterTuningJob", request(name, strategy, trials))
    until = time.monotonic() + LONGEST
    while True:
        told = training.ask(server, "SageMaker.DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": name})
        if told["HyperParameterTuningJobStatus"] != "InProgress" or time.monotonic() > until:
            break
        time.sleep(0.5)
    if told["HyperParameterTuningJobStatus"] != "Completed":
        raise RuntimeError(f"{name}: {told['HyperParameterTuningJobStatus']}: {told.get('FailureReason')}")
    listed = training.ask(
        server,
        "SageMaker.ListTrainingJobsForHyperParameterTuningJob",
        {"HyperParameterTuningJobName": name, "MaxResults": 100, "SortBy": "CreationTime", "SortOrder": "Ascending"},
    )["TrainingJobSummaries"]
    return [after["CreationTime"] - before["TrainingEndTime"] for before, after in pairwise(listed)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salvia-bench-") as folder, Salvia(Path(folder, "salvia")) as server:
        training.put_channels(server)
        training.run(server, "first")  # builds the environment if need be
        found = {strategy: gaps(server, strategy, options.trials) for strategy in ("Random", "Bayesian")}
    print(machine())
    print(
        f"{options.trials} training jobs of built-in XGBoost, one at a time: from the end of one to the next one's creation"
    )
    rows = []
    for strategy, seconds in found.items():
        median = statistics.median(seconds)
        extremes = f"{min(seconds):.3f} - {max(seconds):.3f}"
        rows.append([strategy, f"{median:.3f}", extremes, f"{GOAL:g}", verdict(median, GOAL)])
    print(table(["seconds", "p50", "min - max", "goal", ""], rows))


if __name__ == "__main__":
    main()
