"""Random Cut Forest answers with the anomaly score of a row."""

from pathlib import Path
from typing import Any, ClassVar

from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.invocations import Invocations
from salvia_algorithms.randomcutforest import model
from salvia_algorithms.randomcutforest.forest import Forest
from salvia_container.training import cpus


class RandomCutForest(Invocations):
    columns: ClassVar[tuple[str, ...]] = ("score",)
    key: ClassVar[str] = "scores"  # where all other algorithms have "predictions"

    def load(self, folder: Path) -> Forest:
        return model.load(folder)

    def features(self, model: Any) -> int:
        return int(model.features)

    def predict(self, model: Any, rows: Batch, *, verbose: bool) -> Columns:
        return {"score": model.score(rows.dense(), cpus())}
