"""A LightGBM model that is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from salvia_algorithms.lightgbm import model
from salvia_algorithms.tabular.serving import Cells, Serving, number

CLASSIFYING = ("binary", "multiclass")  # the objectives whose scores are probabilities


@dataclass(frozen=True, slots=True)
class Answering:
    """There is a process for each CPU, so each uses one thread."""

    booster: lgb.Booster
    features: int
    classes: tuple[int, ...]

    def predict(self, cells: Cells) -> npt.NDArray[Any]:
        rows = np.array([[number(cell) for cell in row] for row in cells], np.float64)
        found = np.asarray(self.booster.predict(rows, num_threads=1))
        return np.stack([1 - found, found], axis=1) if self.classes and found.ndim == 1 else found


def load(folder: Path) -> Answering:
    """Raises UserError for what is no model of LightGBM."""
    booster = model.load(folder)
    objective = _objective(booster)
    count = max(2, booster.num_model_per_iteration()) if objective in CLASSIFYING else 0
    return Answering(booster, booster.num_feature(), tuple(range(count)))


def _objective(booster: lgb.Booster) -> str:
    head = booster.model_to_string(num_iteration=1).split("\n\n", 1)[0]
    lines = dict(line.partition("=")[::2] for line in head.splitlines())
    return lines.get("objective", "").partition(" ")[0]


SERVING = Serving(load)
