"""Random Cut Forest answers with the anomaly score of a row."""

from dataclasses import dataclass
from pathlib import Path

from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.randomcutforest import model
from salvia_algorithms.randomcutforest.forest import Forest


@dataclass(frozen=True, slots=True)
class Detector:
    """A forest, ready to be asked. There is a process for each CPU, so each uses one thread."""

    forest: Forest

    @property
    def features(self) -> int:
        return self.forest.features

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        return {"score": self.forest.score(batch.dense())}


def load(folder: Path) -> Detector:
    """Raises UserError for what is no model of Random Cut Forest."""
    return Detector(model.load(folder))


SERVING = Serving(load, key="scores")  # where all other algorithms have "predictions"
