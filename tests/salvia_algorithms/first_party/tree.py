"""Training jobs of AWS's own algorithms on small trees of their own: /opt/ml as the platform would lay it out."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_container import recordio
from salvia_container.failure import run
from salvia_container.training import TrainingEnvironment

RECORDIO = "application/x-recordio-protobuf"
Train = Callable[[TrainingEnvironment], None]


@dataclass
class Tree:
    """One instance's /opt/ml."""

    base: Path
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: dict[str, dict[str, str]] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("algo-1",)
    current_host: str = "algo-1"
    job: str = "job"
    checkpoints: bool = False

    def channel(
        self, name: str, content: str | bytes, content_type: str = "text/csv", file: str = "data", **config: str
    ) -> None:
        path = self.base / "input" / "data" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.channels[name] = {"ContentType": content_type, "TrainingInputMode": "File", **config}

    def arrays(
        self, name: str, features: npt.NDArray[Any], label: npt.NDArray[Any] | None = None, **config: str
    ) -> None:
        """A channel of dense recordio-protobuf."""
        self.channel(name, recordio.write_dense(features.astype(np.float32), label), RECORDIO, **config)

    def environment(self) -> TrainingEnvironment:
        config = self.base / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps(self.hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))
        (config / "resourceconfig.json").write_text(
            json.dumps({"current_host": self.current_host, "hosts": list(self.hosts)})
        )
        if self.checkpoints:
            (config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": str(self.base / "checkpoints")}))
        return replace(TrainingEnvironment.read(self.base), job_name=self.job)

    def train(self, train: Train) -> int:
        """Runs the job in this process; returns its exit code."""
        environment = self.environment()
        return run(lambda: train(environment), environment.failure_file)

    @property
    def model(self) -> Path:
        return self.base / "model" / "model_algo-1"

    @property
    def failure(self) -> str:
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""


def train_together(trees: Sequence[Tree], train: Train) -> list[int]:
    """Runs the hosts of one job at the same time; returns their exit codes in order."""
    codes: dict[str, int] = {}
    threads = [
        threading.Thread(target=lambda tree=tree: codes.update({tree.current_host: tree.train(train)}))
        for tree in trees
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [codes[tree.current_host] for tree in trees]


def as_csv(rows: Iterable[Sequence[float]]) -> str:
    return "".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows)
