"""The artefact, in AWS's own form."""

import base64
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from salvia_algorithms.first_party import ndarray
from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.linear_learner.model import ADDITIONAL, FILE, PARAMETERS, SYMBOL, Model, encoded, load, save
from salvia_container.failure import UserError
from salvia_container.serving.handler import Request

# mx-mod-0000.params of a model of two features (weights 0.5 and -0.25, bias -1), laid out as in AWS's artefacts.
ARRAYS = base64.b64decode(
    "EgEAAAAAAAAAAAAAAAAAAAIAAAAAAAAAyfqT+QAAAAACAAAAAgAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAAAAAAAAAD8AAIC+yfqT+QAAAAACAAAA"
    "AQAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAAAAAAAAgL8CAAAAAAAAAA4AAAAAAAAAYXJnOmZjMF93ZWlnaHQMAAAAAAAAAGFyZzpmYzBfYmlhcw=="
)
METRICS = {"accuracy_top_k": 3, "f_beta": 1.0, "positive_example_weight_mult": 1.0, "class_weights": None}


def model(
    loss: str = "logistic", kind: str = "binary_classifier", threshold: float | None = 0.4, outputs: int = 1
) -> Model:
    weight = np.outer([0.5, -0.25], np.arange(1, outputs + 1)).astype(np.float32)
    return Model(weight, np.full(outputs, -1, np.float32), kind, loss, threshold, METRICS)


def test_a_model_of_awss_is_read(tmp_path: Path) -> None:
    additional = {
        "threshold": 0.4,
        "loss_type": "logistic",
        "predictor_type": "binary_classifier",
        "metrics_params": METRICS,
    }
    with zipfile.ZipFile(tmp_path / FILE, "w") as archive:
        archive.writestr(PARAMETERS, ARRAYS)
        archive.writestr(ADDITIONAL, json.dumps(additional))

    found = load(tmp_path)

    assert (found.weight.tolist(), found.bias.tolist(), found.threshold) == ([[0.5], [-0.25]], [-1], 0.4)


def test_what_is_written_is_what_aws_writes() -> None:
    with zipfile.ZipFile(io.BytesIO(encoded(model()))) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
        kinds = {info.compress_type for info in archive.infolist()}
    graph = json.loads(contents[SYMBOL])

    assert contents[PARAMETERS] == ARRAYS
    assert kinds == {zipfile.ZIP_STORED}
    assert [(node["op"], node["name"]) for node in graph["nodes"] if node["op"] == "null"] == [
        ("null", "data"),
        ("null", "fc0_weight"),
        ("null", "fc0_bias"),
        ("null", "out_label"),
    ]
    assert graph["nodes"][graph["heads"][0][0]]["op"] == "LogisticRegressionOutput"
    assert json.loads(contents["manifest.json"]) == {"mx-mod": "mxnet_module", ADDITIONAL: "json", "version": 1}
    assert json.loads(contents[ADDITIONAL])["metrics_params"]["threshold"] == 0.4


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    save(model("softmax_loss", "multiclass_classifier", None, 3), tmp_path)

    found = load(tmp_path)

    assert found.weight.tolist() == [[0.5, 1.0, 1.5], [-0.25, -0.5, -0.75]]
    assert (found.bias.tolist(), found.predictor_type, found.loss) == (
        [-1] * 3,
        "multiclass_classifier",
        "softmax_loss",
    )


@pytest.mark.parametrize(
    ("one", "raw", "label"),
    [
        (model(), 1 / (1 + np.e), 0.0),
        (model(threshold=0.2), 1 / (1 + np.e), 1.0),
        (model("hinge_loss", threshold=-2.0), -1.0, 1.0),
        (model("squared_loss", "regressor", None), -1.0, None),
    ],
)
def test_scores_and_labels(one: Model, raw: float, label: float | None) -> None:
    found = one.raw(np.array([[1, 2]], np.float32))
    labels = one.labels(found)

    assert found[0, 0] == pytest.approx(raw)
    assert (None if labels is None else labels[0]) == label


def test_classes_have_probabilities_and_the_likeliest_is_the_label() -> None:
    one = model("softmax_loss", "multiclass_classifier", None, 3)

    raw = one.raw(np.array([[1, 0], [-1, 0]], np.float32))

    assert raw.sum(axis=1).tolist() == pytest.approx([1, 1])
    labels = one.labels(raw)
    assert labels is not None
    assert labels.tolist() == [2, 0]


@pytest.mark.parametrize("content", [b"", b"PK", encoded(model())[:-40]])
def test_anything_else_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(UserError, match="model_algo-1 is not a Linear Learner model"):
        load(tmp_path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="model_algo-1 does not exist"):
        load(tmp_path)


def test_the_arrays_above_are_what_mxnet_would_write() -> None:
    assert list(ndarray.read(ARRAYS)) == ["arg:fc0_weight", "arg:fc0_bias"]


@pytest.mark.parametrize(
    ("one", "answer"),
    [
        (model(), [{"score": pytest.approx(1 / (1 + np.e)), "predicted_label": 0}]),
        (model("squared_loss", "regressor", None), [{"score": -1}]),
        (
            model("softmax_loss", "multiclass_classifier", None, 3),
            [{"score": [pytest.approx(1 / 3)] * 3, "predicted_label": 0}],
        ),
    ],
)
def test_answers_have_awss_keys(one: Model, answer: list[dict[str, object]]) -> None:
    request = Request(b"1,2", {"content-type": "text/csv", "accept": "application/json"})

    (found,) = Serving(load).answer(one, [request])

    assert isinstance(found.body, bytes)
    assert json.loads(found.body) == {"predictions": answer}
