"""K-Means answers with the nearest centre of a row and the distance to it."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.invocations import Invocations
from salvia_algorithms.kmeans import model
from salvia_algorithms.kmeans.nearest import Nearest


class KMeans(Invocations):
    columns: ClassVar[tuple[str, ...]] = ("closest_cluster", "distance_to_cluster")

    def load(self, folder: Path) -> Nearest:
        return Nearest(model.load(folder))

    def features(self, model: Any) -> int:
        return int(model.centers.shape[1])

    def predict(self, model: Any, rows: Batch, *, verbose: bool) -> Columns:
        """The distance is Euclidean, not squared."""
        places, squared = model.distances(rows.dense())
        return {"closest_cluster": places.astype(np.float32), "distance_to_cluster": np.sqrt(squared)}
