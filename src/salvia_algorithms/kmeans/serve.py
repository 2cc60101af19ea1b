"""K-Means answers with the nearest centre of a row and the distance to it."""

from pathlib import Path

import numpy as np

from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.kmeans import model
from salvia_algorithms.kmeans.nearest import Floats, Nearest


class Clusters:
    """The centres (k, d) of a model, ready to be asked."""

    def __init__(self, centers: Floats) -> None:
        self._nearest = Nearest(centers)
        self.features = int(centers.shape[1])

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        """The distance is Euclidean, not squared. There is no more to say to who wants all."""
        places, squared = self._nearest.distances(batch.dense())
        return {"closest_cluster": places.astype(np.float32), "distance_to_cluster": np.sqrt(squared)}


def load(folder: Path) -> Clusters:
    """Raises UserError for what is no model of K-Means."""
    return Clusters(model.load(folder))


SERVING = Serving(load)
