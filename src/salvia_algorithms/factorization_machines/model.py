"""A trained machine: what it answers, and the artefact, with the files and arrays of AWS's.

`model_algo-1` is a zip file without compression: `params`, a file of MXNet arrays with `w0_weight` (1,), the bias,
`w1_weight` (d, 1), the linear weights, and `v` (d, k), the factors; and `meta.json`, what the machine predicts.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salvia_algorithms.factorization_machines.hyperparameters import BINARY, REGRESSOR
from salvia_algorithms.factorization_machines.machine import Parameters, chances_of, scores
from salvia_algorithms.first_party import ndarray
from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_container.failure import UserError

FILE = "model_algo-1"
ARRAYS, META, GRAPH = "params", "meta.json", "symbol.json"
BIAS, LINEAR, FACTORS = "arg:w0_weight", "arg:w1_weight", "arg:v"
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Model:
    parameters: Parameters
    predictor_type: str

    @property
    def features(self) -> int:
        return len(self.parameters.weights)

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        """`score`, a probability for a classifier, and its `predicted_label`: 1 from 0.5 on."""
        said = scores(batch.features, self.parameters)
        if self.predictor_type == REGRESSOR:
            return {"score": said}
        chances = chances_of(said)
        return {"score": chances, "predicted_label": (chances >= THRESHOLD).astype(np.int64)}


def save(model: Model, folder: Path) -> None:
    weights = model.parameters.weights
    arrays = {
        FACTORS: np.ascontiguousarray(weights[:, 1:]),
        LINEAR: np.ascontiguousarray(weights[:, :1]),
        BIAS: model.parameters.bias,
    }
    contents: dict[str, str | bytes] = {
        ARRAYS: ndarray.write(arrays),
        META: json.dumps({"predictor_type": model.predictor_type, "feature_dim": model.features}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # a ZipInfo has no time of its own
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(out.getvalue())


def load(folder: Path) -> Model:
    """The model in `folder`. Raises UserError for anything else."""
    path = folder / FILE
    if not path.exists():
        raise UserError(f"There is no Factorization Machines model: {path} does not exist")
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: array.astype(np.float32) for name, array in ndarray.read(archive.read(ARRAYS)).items()}
            kind = _kind(archive)
        weights = np.hstack([arrays[LINEAR].reshape(-1, 1), arrays[FACTORS]])
        return Model(Parameters(arrays[BIAS].reshape(-1), weights), kind)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a Factorization Machines model: {error}") from error


def _kind(archive: zipfile.ZipFile) -> str:
    """What it predicts: said by our own file, or seen in the graph of AWS's."""
    if META in archive.namelist():
        said = json.loads(archive.read(META)).get("predictor_type")
        if said in (BINARY, REGRESSOR):
            return str(said)
    return BINARY if b"Logistic" in archive.read(GRAPH) else REGRESSOR
