"""A CatBoost model that is asked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import numpy.typing as npt

from salvia_algorithms.catboost import model
from salvia_algorithms.tabular.serving import Cells, Serving, number


@dataclass(frozen=True, slots=True)
class Answering:
    """There is a process for each CPU, so each uses one thread. `categorical` are the places of categories among the features."""

    found: catboost.CatBoost
    features: int
    classes: tuple[int, ...]
    categorical: frozenset[int] = field(default_factory=frozenset)

    def predict(self, cells: Cells) -> npt.NDArray[Any]:
        texts = {place: [row[place] for row in cells] for place in self.categorical}
        numbers = [
            [np.nan if place in self.categorical else number(cell) for place, cell in enumerate(row)] for row in cells
        ]
        rows = np.array(numbers, np.float32)
        kind = "Probability" if self.classes else "RawFormulaVal"
        answer: npt.NDArray[Any] = self.found.predict(
            model.pool(rows, texts) if texts else rows, prediction_type=kind, thread_count=1
        )
        return answer


def load(folder: Path) -> Answering:
    """Raises UserError for what is no model of CatBoost."""
    found = model.load(folder)
    return Answering(
        found,
        len(found.feature_names_),
        tuple(int(label) for label in found.classes_),
        frozenset(found.get_cat_feature_indices()),
    )


SERVING = Serving(load)
