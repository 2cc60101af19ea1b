"""What the built-in algorithms' packages say of themselves, as data: their code is never loaded here."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from salvia.ports.metrics import MetricDefinition


@dataclass(frozen=True, slots=True)
class AlgorithmMetric:
    """A metric that the platform attaches by itself; `better` is Maximize or Minimize."""

    definition: MetricDefinition
    better: str


@cache
def metrics_of(algorithm: str) -> tuple[AlgorithmMetric, ...]:
    """`algorithm` is the package's name in salvia_algorithms; "" has none."""
    if not algorithm:
        return ()
    document = json.loads(files("salvia_algorithms").joinpath(algorithm, "metrics.json").read_text())
    return tuple(
        AlgorithmMetric(MetricDefinition(metric["name"], metric["regex"]), metric.get("better", "Minimize"))
        for metric in document["metrics"]
    )


@cache
def hyperparameters_of(algorithm: str) -> frozenset[str]:
    """The names that it takes; none for an image that is not a built-in algorithm, or does not say."""
    file = files("salvia_algorithms").joinpath(algorithm, "hyperparameters.json")
    return frozenset(json.loads(file.read_text())) if algorithm and file.is_file() else frozenset()
