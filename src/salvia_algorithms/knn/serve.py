"""K-nearest neighbours answers with a label; to who wants all, also with the neighbours' distances and labels."""

from dataclasses import dataclass
from pathlib import Path

import faiss

from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.knn import model
from salvia_algorithms.knn.neighbours import Neighbours


@dataclass(frozen=True, slots=True)
class Answering:
    """An index, ready to be asked. There is a process for each CPU, so each uses one thread."""

    neighbours: Neighbours

    @property
    def features(self) -> int:
        return self.neighbours.features

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        faiss.omp_set_num_threads(1)
        label, distances, labels = self.neighbours.predict(batch.dense())
        return {"predicted_label": label} | ({"distances": distances, "labels": labels} if verbose else {})


def load(folder: Path) -> Answering:
    """Raises UserError for what is no model of k-nearest neighbours."""
    return Answering(model.load(folder))


SERVING = Serving(load)
