"""Training jobs of AWS's own algorithms on trees of their own, alone and several hosts at a time."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_container import recordio
from salvia_container.training import TrainingEnvironment
from tests.salvia_algorithms import tree
from tests.salvia_algorithms.tree import Train

RECORDIO = "application/x-recordio-protobuf"


@dataclass
class Tree(tree.Tree):
    job: str = "job"

    def arrays(
        self, name: str, features: npt.NDArray[Any], label: npt.NDArray[Any] | None = None, **config: str
    ) -> None:
        """A channel of dense recordio-protobuf."""
        self.channel(name, recordio.write_dense(features.astype(np.float32), label), RECORDIO, **config)

    def environment(self) -> TrainingEnvironment:
        return replace(super().environment(), job_name=self.job)

    def train(self, train: Train) -> int:
        return self.run(train)

    @property
    def model(self) -> Path:
        return self.base / "model" / "model_algo-1"


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
