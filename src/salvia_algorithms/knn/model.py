"""The artefact of k-nearest neighbours: numpy's npz of faiss's own serialised index and what belongs to it, in model_algo-1.

The form of AWS's is not public. The arrays: index (bytes), labels (n,), projection (features, width) or empty, and settings
(JSON as bytes: k, predictor, metric).
"""

import json
import zipfile
from pathlib import Path

import faiss
import numpy as np

from salvia_algorithms.knn.neighbours import Neighbours
from salvia_container.failure import UserError

MODEL_NAME = "model_algo-1"


def save(found: Neighbours, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps({"k": found.k, "predictor": found.predictor, "metric": found.metric}).encode()
    with (folder / MODEL_NAME).open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            index=faiss.serialize_index(found.index),
            labels=found.labels,
            projection=np.empty((0, 0), np.float32) if found.projection is None else found.projection,
            settings=np.frombuffer(settings, np.uint8),
        )


def load(folder: Path) -> Neighbours:
    """Raises UserError for a file that is no model of k-nearest neighbours."""
    path = folder / MODEL_NAME
    if not path.is_file():
        raise UserError(f"The model has no file {MODEL_NAME}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            index = faiss.deserialize_index(arrays["index"])
            settings = json.loads(arrays["settings"].tobytes())
            labels, projection = arrays["labels"].astype(np.float32), arrays["projection"].astype(np.float32)
            found = Neighbours(
                index, labels, int(settings["k"]), settings["predictor"], settings["metric"],
                projection if projection.size else None,
            )  # fmt: skip
    except (ValueError, KeyError, OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(f"{MODEL_NAME} is not a model of k-nearest neighbours: {error}") from error
    if index.ntotal != len(labels) or (found.projection is not None and found.projection.shape[1] != index.d):
        raise UserError(f"{MODEL_NAME} is not a model of k-nearest neighbours: its arrays do not fit together")
    return found
