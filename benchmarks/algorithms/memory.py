"""Memory of a job whose data is three times as large as its instance's memory, in FastFile and in Pipe mode.

The peak is what the job's process held at most (proportional set size: mapped files count), looked at all the time from
outside; before it stands what the same job holds with hardly any data: the interpreter, the libraries, the model.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from benchmarks.measured.processes import memory_of
from benchmarks.measured.report import machine, table, verdict

from salvia_container import recordio
from salvia_container.training import TrainingEnvironment

INSTANCE, TIMES, FEATURES, BLOCK = 512 << 20, 3, 50, 20_000
LOOK_EVERY = 0.05  # seconds
RECORDIO = "application/x-recordio-protobuf"
WIDTH = {"feature_dim": str(FEATURES), "mini_batch_size": "1000"}


@dataclass(frozen=True, slots=True)
class Job:
    """`holds` is what the documentation says that the algorithm keeps of its data."""

    package: str
    hyperparameters: Mapping[str, str]
    epochs: int
    holds: str


JOBS = {
    "Linear Learner": Job(
        "linear_learner",
        {"predictor_type": "binary_classifier", "epochs": "2", "num_models": "8", **WIDTH},
        5,
        "no rows",
    ),
    "Factorization Machines": Job(
        "factorization_machines",
        {"predictor_type": "binary_classifier", "epochs": "1", "num_factors": "4", **WIDTH},
        1,
        "no rows",
    ),
    "K-Means": Job("kmeans", {"k": "10", "epochs": "2", **WIDTH}, 2, "10 k centres"),
    "PCA": Job("pca", {"num_components": "5", **WIDTH}, 1, "a covariance"),
    "Random Cut Forest": Job("randomcutforest", WIDTH, 1, "25,600 rows"),
    "k-NN": Job("knn", {"k": "5", "sample_size": "100000", "predictor_type": "classifier", **WIDTH}, 1, "100,000 rows"),
}


def content(size: int) -> Iterator[bytes]:
    """Records of about `size` bytes, the same block again and again with labels of 0 and 1."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(BLOCK, FEATURES)).astype(np.float32)
    block = recordio.write_dense(rows, (rows[:, 0] > random.normal(size=BLOCK)).astype(np.float32))
    for _ in range(max(1, size // len(block))):
        yield block


def feed(data: Path, size: int, epochs: int) -> None:
    """FIFO after FIFO, as the platform feeds them."""
    for epoch in range(epochs):
        with suppress(BrokenPipeError), (data / f"train_{epoch}").open("wb") as pipe:
            os.mkfifo(data / f"train_{epoch + 1}")
            pipe.writelines(content(size))


def peak(name: str, mode: str, size: int) -> tuple[int, float]:
    """Bytes that the process of a job held at most, and its CPU seconds."""
    job = JOBS[name]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "input/data")
        (data / "train").mkdir(parents=True)
        if mode == "Pipe":
            os.mkfifo(data / "train_0")
            threading.Thread(target=feed, args=(data, size, job.epochs), daemon=True).start()
        else:
            with (data / "train/records").open("wb") as file:
                file.writelines(content(size))
        command = [sys.executable, "-m", "benchmarks.algorithms.memory", name, mode, folder]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                command, env={**os.environ, "SM_MEMORY_BYTES": str(INSTANCE)}, stdout=log, stderr=log
            )
            most = 0
            while process.poll() is None:
                most = max(most, memory_of(process.pid))
                time.sleep(LOOK_EVERY)
        if process.returncode:
            raise RuntimeError((Path(folder) / "log").read_text()[-2000:])
        return most, float((Path(folder) / "log").read_text().rpartition("CPU ")[2])


def run(name: str, mode: str, folder: str) -> None:
    """The job, in a process of its own."""
    job = JOBS[name]
    channels = {"train": {"ContentType": RECORDIO, "TrainingInputMode": mode, "S3DistributionType": "ShardedByS3Key"}}
    environment = TrainingEnvironment(Path(folder), job.hyperparameters, channels, ("algo-1",), "algo-1", None)
    import_module(f"salvia_algorithms.{job.package}.train").train(environment)
    print(f"CPU {time.process_time()}")


def main() -> None:
    if sys.argv[1:]:
        return run(*sys.argv[1:])
    lines, worst = [], 0
    for name, job in JOBS.items():
        before, _ = peak(name, "FastFile", 0)
        for mode in ("FastFile", "Pipe"):
            most, seconds = peak(name, mode, TIMES * INSTANCE)
            worst = max(worst, most)
            sizes = [f"{size / (1 << 20):,.0f}" for size in (before, most, most - before)]
            lines.append([name, mode, *sizes, job.holds, f"{seconds:.1f}"])
            print(lines[-1], file=sys.stderr, flush=True)
    print(machine())
    print(
        f"{TIMES * INSTANCE >> 20:,} MiB of records of {FEATURES} features, on an instance of {INSTANCE >> 20} MiB; sizes in MiB"
    )
    print(table(["algorithm", "mode", "hardly any data", "peak", "more", "holds", "CPU s"], lines))
    print(f"goal: at most the instance's {INSTANCE >> 20} MiB: {verdict(worst, INSTANCE)} ({worst >> 20} MiB)")
    return None


if __name__ == "__main__":
    main()
