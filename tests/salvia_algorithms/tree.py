"""Small trees of their own for training jobs: /opt/ml as the platform would lay it out."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salvia_container.failure import run
from salvia_container.training import TrainingEnvironment

Train = Callable[[TrainingEnvironment], None]
Row = Sequence[float]


@dataclass
class Tree:
    """One instance's /opt/ml."""

    base: Path
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: dict[str, dict[str, str]] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("algo-1",)
    current_host: str = "algo-1"
    checkpoints: bool = False

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

    def run(self, train: Train) -> int:
        """Runs the job in this process; returns its exit code."""
        environment = self.environment()
        return run(lambda: train(environment), environment.failure_file)

    @property
    def checkpoint_dir(self) -> Path:
        return self.base / "checkpoints"

    @property
    def failure(self) -> str:
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""


def as_csv(rows: Iterable[Row]) -> str:
    return "".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows)
