"""XGBoost jobs on trees of their own, and what they read and print."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salvia_algorithms.xgboost.train import train
from salvia_container.termination import Termination
from tests.salvia_algorithms import tree
from tests.salvia_algorithms.tree import Row


@dataclass
class Tree(tree.Tree):
    hyperparameters: dict[str, str] = field(
        default_factory=lambda: {"num_round": "3", "max_depth": "2", "nthread": "1"}
    )
    output: str = ""

    def train(self, termination: Termination | None = None) -> int:
        return self.run(lambda environment: train(environment, termination or Termination()))

    @property
    def model(self) -> Path:
        return self.base / "model" / "xgboost-model"


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
