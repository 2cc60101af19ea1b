"""Training jobs on small trees of their own: /opt/ml as the platform would lay it out."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salvia_algorithms.xgboost.train import train
from salvia_container.failure import run
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment

Row = Sequence[float]


@dataclass
class Tree:
    """One instance's /opt/ml."""

    base: Path
    hyperparameters: dict[str, str] = field(
        default_factory=lambda: {"num_round": "3", "max_depth": "2", "nthread": "1"}
    )
    channels: dict[str, dict[str, str]] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("algo-1",)
    current_host: str = "algo-1"
    checkpoints: bool = False
    output: str = ""

    def channel(
        self, name: str, content: str | bytes, content_type: str = "text/csv", file: str = "data", **config: str
    ) -> None:
        path = self.base / "input" / "data" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.channels[name] = {"ContentType": content_type, "TrainingInputMode": "File", **config}

    def configure(self) -> None:
        config = self.base / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps(self.hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))
        (config / "resourceconfig.json").write_text(
            json.dumps({"current_host": self.current_host, "hosts": list(self.hosts)})
        )
        if self.checkpoints:
            (config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": str(self.checkpoint_dir)}))

    def environment(self) -> TrainingEnvironment:
        self.configure()
        return TrainingEnvironment.read(self.base)

    def train(self, termination: Termination | None = None) -> int:
        """Runs the job in this process; returns its exit code."""
        environment = self.environment()
        return run(lambda: train(environment, termination or Termination()), environment.failure_file)

    @property
    def checkpoint_dir(self) -> Path:
        return self.base / "checkpoints"

    @property
    def model(self) -> Path:
        return self.base / "model" / "xgboost-model"

    @property
    def failure(self) -> str:
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""


def as_csv(rows: Iterable[Row]) -> str:
    return "".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows)


def as_libsvm(rows: Iterable[Row], first: int = 0) -> str:
    return "".join(
        " ".join([f"{row[0]:g}", *(f"{first + place}:{value:g}" for place, value in enumerate(row[1:]))]) + "\n"
        for row in rows
    )


def scores(output: str, name: str) -> list[float]:
    """The values of a metric in the order printed, found as the platform finds them."""
    shown = output.replace("\t", "#011")
    return [float(value) for value in re.findall(rf".*\[[0-9]+\].*#011{name}:([^#\s]+)", shown)]


def small(rows: int = 40, *, offset: float = 0.0) -> list[list[Any]]:
    """A little regression: the label is the first feature plus twice the second."""
    return [[x + 2 * (x * 7 % 5) + offset, x, x * 7 % 5, 1.5] for x in range(rows)]
