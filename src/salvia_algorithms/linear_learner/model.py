"""A trained model: how it scores rows, and AWS's own artefact, which is written and read.

`model_algo-1` is a zip file without compression that holds a network of MXNet and what MXNet does not know:
mx-mod-symbol.json (the graph), mx-mod-0000.params (its arrays), additional-params.json (threshold, losses) and
manifest.json (which of them is what).
"""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from salvia_algorithms.first_party import ndarray
from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.losses import sigmoid
from salvia_container.failure import UserError

FILE = "model_algo-1"
SYMBOL, PARAMETERS, ADDITIONAL, MANIFEST = (
    "mx-mod-symbol.json",
    "mx-mod-0000.params",
    "additional-params.json",
    "manifest.json",
)
WEIGHT, BIAS = "arg:fc0_weight", "arg:fc0_bias"
OUTPUTS = {names.LOGISTIC: "LogisticRegressionOutput", names.SOFTMAX: "SoftmaxOutput"}
LINEAR = "LinearRegressionOutput"


@dataclass(frozen=True, slots=True)
class Model:
    """`weight` (d, classes) and `bias` (classes,), float32; one column where there are no classes.

    `threshold` is where a binary classifier's score becomes 1; `metrics` is what AWS keeps of the hyperparameters.
    """

    weight: Floats
    bias: Floats
    predictor_type: str
    loss: str
    threshold: float | None
    metrics: Mapping[str, Any]

    @property
    def features(self) -> int:
        return int(self.weight.shape[0])

    def raw(self, features: Floats | sp.csr_matrix) -> Floats:
        """(n, classes): probabilities, margins of the hinge loss, or predicted numbers."""
        scores = np.asarray(features @ self.weight, np.float32) + self.bias
        if self.loss == names.LOGISTIC:
            return sigmoid(scores)
        if self.loss == names.SOFTMAX:
            scores -= scores.max(axis=1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=1, keepdims=True)
        return scores

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        """`score`, of a classifier of many one for each class, and the `predicted_label` of a classifier."""
        raw = self.raw(batch.features)
        labels = self.labels(raw)
        score = raw if self.predictor_type == names.MULTICLASS else raw[:, 0]
        return {"score": score} if labels is None else {"score": score, "predicted_label": labels.astype(np.int64)}

    def labels(self, raw: Floats) -> Floats | None:
        """(n,): 0 or 1, or the class with the highest score; None for a regressor."""
        if self.predictor_type == names.BINARY:
            return (raw[:, 0] > (self.threshold or 0.0)).astype(np.float32)
        if self.predictor_type == names.MULTICLASS:
            likeliest: Floats = raw.argmax(axis=1).astype(np.float32)
            return likeliest
        return None


def save(model: Model, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(encoded(model))


def load(folder: Path) -> Model:
    """The model in `folder`, by Salvia or by AWS. Raises UserError for anything else."""
    path = folder / FILE
    if not path.exists():
        raise UserError(f"There is no Linear Learner model: {path} does not exist")
    try:
        return decoded(path.read_bytes())
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a Linear Learner model: {error}") from error


def unpacked(folder: Path) -> Path:
    """The folder itself, or, where only model.tar.gz is in it, a new one with what that holds."""
    archive = folder / "model.tar.gz"
    if (folder / FILE).exists() or not archive.exists():
        return folder
    place = Path(tempfile.mkdtemp())
    try:
        with tarfile.open(archive) as packed:
            packed.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none
            packed.extractall(place)  # noqa: S202 - into the sandbox that the archive belongs to
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{archive} is not a model archive: {error}") from error
    return place


def encoded(model: Model) -> bytes:
    """The artefact, the same bytes for the same model."""
    additional = {
        "threshold": model.threshold,
        "loss_type": model.loss,
        "predictor_type": model.predictor_type,
        "metrics_params": {**model.metrics, "threshold": model.threshold},
    }
    arrays = {WEIGHT: model.weight.astype(np.float32), BIAS: model.bias.astype(np.float32).reshape(1, -1)}
    contents: dict[str, str | bytes] = {
        SYMBOL: json.dumps(_graph(model), indent=2),
        MANIFEST: json.dumps({"mx-mod": "mxnet_module", ADDITIONAL: "json", "version": 1}),
        ADDITIONAL: json.dumps(additional),
        PARAMETERS: ndarray.write(arrays),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # a ZipInfo has no time of its own
    return out.getvalue()


def decoded(content: bytes) -> Model:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        additional = json.loads(archive.read(ADDITIONAL))
        arrays = ndarray.read(archive.read(PARAMETERS))
    weight = arrays[WEIGHT].astype(np.float32)
    bias = arrays[BIAS].astype(np.float32).reshape(-1) if BIAS in arrays else np.zeros(weight.shape[1], np.float32)
    return Model(
        np.ascontiguousarray(weight),
        bias,
        additional["predictor_type"],
        additional["loss_type"],
        additional["threshold"],
        additional["metrics_params"],
    )


def metrics_of(values: Mapping[str, Any], class_weights: list[float] | None) -> dict[str, Any]:
    """What an artefact keeps of the hyperparameters."""
    loss = values["loss"]
    return {
        "quantile": values["quantile"] if loss == names.QUANTILE else None,
        "huber_delta": values["huber_delta"] if loss == names.HUBER else None,
        "margin": values["margin"] if loss == names.HINGE else None,
        "loss_insensitivity": values["loss_insensitivity"] if loss.startswith("eps_insensitive") else None,
        "eps_insensitive_loss_type": loss if loss.startswith("eps_insensitive") else None,
        "accuracy_top_k": values["accuracy_top_k"],
        "f_beta": values["f_beta"],
        "positive_example_weight_mult": values["positive_example_weight_mult"],
        "class_weights": class_weights,
    }


def _graph(model: Model) -> dict[str, Any]:
    features, outputs = model.weight.shape

    def variable(name: str, **attributes: str) -> dict[str, Any]:
        return {"op": "null", "name": name, **({"attrs": attributes} if attributes else {}), "inputs": []}

    output = OUTPUTS.get(model.loss, LINEAR)
    nodes = [
        variable("data"),
        variable("fc0_weight", __shape__=str((features, outputs))),
        {"op": "dot", "name": "dot0", "inputs": [[0, 0, 0], [1, 0, 0]]},
        variable("fc0_bias", __lr_mult__="10.0", __shape__=str((1, outputs))),
        {"op": "broadcast_add", "name": "broadcast_plus0", "inputs": [[2, 0, 0], [3, 0, 0]]},
        variable("out_label"),
        {"op": output, "name": f"{output.lower()}0", "inputs": [[4, 0, 0], [5, 0, 0]]},
    ]
    return {
        "nodes": nodes,
        "arg_nodes": [0, 1, 3, 5],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[len(nodes) - 1, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10301]},
    }
