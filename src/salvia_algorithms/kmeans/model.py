"""The artefact of K-Means, as AWS's: one MXNet array (k, d) without a name, in the file model_algo-1."""

from pathlib import Path

import numpy as np

from salvia_algorithms.first_party import ndarray
from salvia_algorithms.kmeans.nearest import Floats
from salvia_container.failure import UserError

MODEL_NAME = "model_algo-1"


def save(centers: Floats, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_NAME).write_bytes(ndarray.write([centers.astype(np.float32)]))


def load(folder: Path) -> Floats:
    """The centres (k, d). Raises UserError for a file that is no model of K-Means."""
    path = folder / MODEL_NAME
    if not path.is_file():
        raise UserError(f"The model has no file {MODEL_NAME}")
    try:
        arrays = ndarray.read(path.read_bytes())
    except ndarray.Malformed as error:
        raise UserError(f"{MODEL_NAME} is not a model of K-Means: {error}") from error
    centers = next(iter(arrays.values()), np.empty(0))
    if len(arrays) != 1 or centers.ndim != 2 or not centers.size:
        raise UserError(f"{MODEL_NAME} is not a model of K-Means: it is not one array of centers")
    return centers.astype(np.float32)
