"""The artefact of Random Cut Forest: numpy's npz of the arrays that make a forest, in the file model_algo-1.

AWS's own is a serialised object whose form is not public. The arrays are those of `trees`: points, cut_dim, cut_value, right, mass.
"""

import zipfile
from pathlib import Path

import numpy as np

from salvia_algorithms.randomcutforest.forest import Forest
from salvia_container.failure import UserError

MODEL_NAME = "model_algo-1"
TYPES = {"points": np.float32, "cut_dim": np.int32, "cut_value": np.float32, "right": np.int32, "mass": np.int32}


def save(forest: Forest, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(forest, name) for name in TYPES}
    with (folder / MODEL_NAME).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(folder: Path) -> Forest:
    """Raises UserError for a file that is no model of Random Cut Forest."""
    path = folder / MODEL_NAME
    if not path.is_file():
        raise UserError(f"The model has no file {MODEL_NAME}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = {name: np.ascontiguousarray(arrays[name]) for name in TYPES}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{MODEL_NAME} is not a model of Random Cut Forest: {error}") from error
    if not _sound(parts):
        raise UserError(f"{MODEL_NAME} is not a model of Random Cut Forest: its arrays do not fit together")
    return Forest(**parts)


def _sound(parts: dict[str, np.ndarray]) -> bool:
    """Whether compiled code, which checks no bounds, may walk these trees."""
    points, cut_dim, right, mass = (parts[name] for name in ("points", "cut_dim", "right", "mass"))
    if any(parts[name].dtype != kind for name, kind in TYPES.items()) or points.ndim != 3 or not points.size:
        return False
    trees, samples, features = points.shape
    nodes = (trees, 2 * samples - 1)
    if any(parts[name].shape != nodes for name in TYPES if name != "points"):
        return False
    exists = mass > 0
    leaf = exists & (cut_dim < 0)
    inner = exists & (cut_dim >= 0)
    number = np.arange(nodes[1])
    count = exists.sum(axis=1)
    return bool(
        (exists == (number < count[:, None])).all()  # nodes are numbered without gaps
        and (np.where(leaf, mass, 0).sum(axis=1) == samples).all()
        and (leaf.sum(axis=1) == inner.sum(axis=1) + 1).all()
        and (cut_dim[inner] < features).all()
        and (right > number + 1)[inner].all()
        and (right < count[:, None])[inner].all()
    )
