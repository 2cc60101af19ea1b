"""A trained PCA: how it projects rows, and AWS's own artefact, which is written and read.

`model_algo-1` is a file of MXNet arrays: `s` (c,), the singular values; `v` (d, c), the components; `mean` (1, d). As AWS's,
components are in the order of their values, the least first.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salvia_algorithms.first_party import ndarray
from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_container.failure import UserError

FILE = "model_algo-1"


@dataclass(frozen=True, slots=True)
class Model:
    """`values` (c,), `vectors` (d, c), `mean` (d,), all float32."""

    values: Floats
    vectors: Floats
    mean: Floats

    @property
    def features(self) -> int:
        return len(self.mean)

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        """`projection`: (n, c), the coordinates of each row in the directions of the components."""
        return {"projection": np.asarray(batch.features @ self.vectors) - self.mean @ self.vectors}


def save(model: Model, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"s": model.values, "v": model.vectors, "mean": model.mean.reshape(1, -1)}
    (folder / FILE).write_bytes(ndarray.write({name: array.astype(np.float32) for name, array in arrays.items()}))


def load(folder: Path) -> Model:
    """The model in `folder`, by Salvia or by AWS. Raises UserError for anything else."""
    path = folder / FILE
    if not path.exists():
        raise UserError(f"There is no PCA model: {path} does not exist")
    try:
        arrays = {name: array.astype(np.float32) for name, array in ndarray.read(path.read_bytes()).items()}
        vectors = arrays["v"]
        mean = arrays["mean"].reshape(-1) if "mean" in arrays else np.zeros(len(vectors), np.float32)
        model = Model(arrays["s"].reshape(-1), np.ascontiguousarray(vectors), mean)
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} is not a PCA model: {error}") from error
    if model.vectors.shape != (len(model.mean), len(model.values)):
        raise UserError(f"{path} is not a PCA model: its arrays do not fit each other")
    return model
