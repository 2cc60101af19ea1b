"""Rows with labels that can be asked for their neighbours, and what these say of a new row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.knn.hyperparameters import CLASSIFIER, COSINE, FLAT, IVF_FLAT, L2, dimensions, lists

PROBES = 8  # parts of an IVF index that are searched, or a tenth of them where that is more
BITS = 8  # of a code in a PQ index


@dataclass(frozen=True, slots=True)
class Neighbours:
    """An index of faiss over rows with labels (n,). `projection` is (features, width), or None."""

    index: Any
    labels: Floats
    k: int
    predictor: str
    metric: str
    projection: Floats | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], rows: Floats, labels: Floats, projection: Floats | None) -> "Neighbours":
        """Builds what the job's hyperparameters ask for. Rows (n, features) are those of the sample; n >= k."""
        ready = _ready(rows, projection, given["index_metric"])
        index = _index(given, len(rows))
        index.train(ready)
        index.add(ready)
        return cls(index, labels, given["k"], given["predictor_type"], given["index_metric"], projection)

    @property
    def features(self) -> int:
        return int(self.index.d if self.projection is None else self.projection.shape[0])

    def nearest(self, rows: Floats) -> tuple[Floats, Floats]:
        """Distances and labels (n, k) of the neighbours, the nearest first.

        The distance is Euclidean, the inner product, or the cosine, as `metric` says. An approximate index may find
        fewer than k: then the last one found stands in their place.
        """
        found, places = self.index.search(_ready(rows, self.projection, self.metric), self.k)
        count = np.maximum((places >= 0).sum(axis=1), 1)
        at = np.minimum(np.arange(self.k), count[:, None] - 1)
        found, places = (np.take_along_axis(values, at, axis=1) for values in (found, places))
        distances: Floats = np.sqrt(np.maximum(found, 0)) if self.metric == L2 else found
        return distances, self.labels[np.maximum(places, 0)]

    def predict(self, rows: Floats) -> tuple[Floats, Floats, Floats]:
        """Labels (n,) by vote or mean, and the neighbours' distances and labels (n, k)."""
        distances, labels = self.nearest(rows)
        return (_vote(labels) if self.predictor == CLASSIFIER else labels.mean(axis=1)), distances, labels


def _ready(rows: Floats, projection: Floats | None, metric: str) -> Floats:
    ready = np.ascontiguousarray(rows if projection is None else rows @ projection, np.float32)
    if metric == COSINE:
        ready = ready / np.maximum(np.linalg.norm(ready, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return ready


def _index(given: Mapping[str, Any], rows: int) -> Any:
    width, kind = dimensions(given), given["index_type"]
    coarse: Any = faiss.IndexFlatL2(width) if given["index_metric"] == L2 else faiss.IndexFlatIP(width)
    if kind == FLAT:
        return coarse
    count = lists(given, rows)
    index: Any
    if kind == IVF_FLAT:
        index = faiss.IndexIVFFlat(coarse, width, count, coarse.metric_type)
    else:
        index = faiss.IndexIVFPQ(coarse, width, count, given["faiss_index_pq_m"], BITS)
    coarse.this.disown()  # the index owns it from here on, in C++ as well
    index.own_fields = True
    index.nprobe = min(count, max(PROBES, count // 10))
    return index


def _vote(labels: npt.NDArray[np.float32]) -> Floats:
    """The most frequent label of each row; of equally frequent ones the one whose neighbour is nearest."""
    votes = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
    winner: Floats = np.take_along_axis(labels, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
    return winner
