"""What a training job finds in /opt/ml: its hyperparameters, its hosts, its channels and where its results go."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salvia_container.failure import PlatformError

BASE_PATH = "/opt/ml"


@dataclass(frozen=True, slots=True)
class TrainingEnvironment:
    """One instance's view of a training job.

    `hyperparameters` are strings exactly as in CreateTrainingJob. `channels` maps a channel's name to its entry of
    inputdataconfig.json (ContentType, TrainingInputMode, S3DistributionType, RecordWrapperType). `checkpoint_dir` is
    None when the job has no CheckpointConfig. `hosts` is sorted, and the same on all instances.
    """

    base: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Mapping[str, Any]]
    hosts: tuple[str, ...]
    current_host: str
    checkpoint_dir: Path | None
    job_name: str = ""

    @classmethod
    def read(cls, base: Path | None = None) -> "TrainingEnvironment":
        """Reads the tree below `base` (else $SM_BASE_PATH, else /opt/ml). A missing file counts as an empty one."""
        base = base or Path(os.environ.get("SM_BASE_PATH", BASE_PATH))
        config = base / "input" / "config"
        resources = _document(config / "resourceconfig.json") or {"current_host": "algo-1", "hosts": ["algo-1"]}
        hyperparameters = _document(config / "hyperparameters.json")
        return cls(
            base=base,
            hyperparameters={name: _bare(value) for name, value in hyperparameters.items()},
            channels=_document(config / "inputdataconfig.json"),
            hosts=tuple(sorted(resources["hosts"])),
            current_host=resources["current_host"],
            checkpoint_dir=_checkpoint_dir(base),
            job_name=os.environ.get("TRAINING_JOB_NAME", ""),
        )

    def channel_path(self, name: str) -> Path:
        """The folder of a File or FastFile channel."""
        return self.base / "input" / "data" / name

    def pipe_path(self, name: str, epoch: int) -> Path:
        """The FIFO of a Pipe channel for one pass over the data; the first epoch is 0."""
        return self.base / "input" / "data" / f"{name}_{epoch}"

    @property
    def model_dir(self) -> Path:
        return self.base / "model"

    @property
    def output_data_dir(self) -> Path:
        return self.base / "output" / "data"

    @property
    def failure_file(self) -> Path:
        return self.base / "output" / "failure"


def failure_file(base: Path | None = None) -> Path:
    """Where the reason goes, known even when the rest of the tree cannot be read."""
    return (base or Path(os.environ.get("SM_BASE_PATH", BASE_PATH))) / "output" / "failure"


def cpus() -> int:
    """Threads this instance may use: OMP_NUM_THREADS when the platform set it, else the CPUs of this process."""
    share = os.environ.get("OMP_NUM_THREADS", "")
    if share.isdigit() and int(share) > 0:
        return int(share)
    return len(os.sched_getaffinity(0))


def memory() -> int:
    """Bytes of memory this instance has: SM_MEMORY_BYTES when the platform set it, else what the machine has."""
    share = os.environ.get("SM_MEMORY_BYTES", "")
    if share.isdigit() and int(share) > 0:
        return int(share)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gpus() -> int:
    """GPUs of this instance, by their device files."""
    return len([entry for entry in os.listdir("/dev") if entry.startswith("nvidia") and entry[6:].isdigit()])


def _checkpoint_dir(base: Path) -> Path | None:
    file = base / "input" / "config" / "checkpointconfig.json"
    return Path(_document(file).get("LocalPath") or base / "checkpoints") if file.exists() else None


def _bare(value: Any) -> str:
    # Some SDKs JSON-encode every value, so that a string arrives with quotes of its own.
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            decoded = json.loads(text)
        except ValueError:
            return text
        return decoded if isinstance(decoded, str) else text
    return text


def _document(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8") or "{}")
    except ValueError as error:
        raise PlatformError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise PlatformError(f"{path.name} is not a JSON object")
    return document
