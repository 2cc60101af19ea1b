"""Whole jobs of k-nearest neighbours on small data, what their models answer, and every way to fail."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.knn import model, projection
from salvia_algorithms.knn.hyperparameters import FJLT, SIGN
from salvia_algorithms.knn.serve import SERVING
from salvia_algorithms.knn.train import train
from salvia_container.failure import UserError
from salvia_container.serving.handler import Request
from tests.salvia_algorithms.first_party.tree import Tree, train_together
from tests.salvia_algorithms.tree import as_csv


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", {"feature_dim": "4", "k": "3", "predictor_type": "classifier", "sample_size": "1000"})


def data(count: int = 900, width: int = 4) -> tuple[Floats, Floats]:
    """Three classes, told apart by their place."""
    random = np.random.default_rng(0)
    label = random.integers(0, 3, count)
    rows = 10 * np.eye(width)[label] + random.normal(0, 0.5, (count, width))
    return rows.astype(np.float32), label.astype(np.float32)


def metrics(log: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"#quality_metric: host=\S+, test (\S+) <\w+>=(\S+)", log)}


def plainly(rows: Floats, asked: Floats, k: int) -> tuple[Any, Any]:
    away = np.sqrt(((asked[:, None].astype(np.float64) - rows) ** 2).sum(axis=2))
    order = np.argsort(away, axis=1)[:, :k]
    return np.take_along_axis(away, order, axis=1), order


def test_the_neighbours_are_those_found_by_measuring_all(tree: Tree) -> None:
    rows, label = data()
    tree.arrays("train", rows, label)
    assert tree.train(train) == 0, tree.failure
    asked = data(1000)[0][900:]
    predicted, distances, labels = model.load(tree.base / "model").predict(asked)
    expected, order = plainly(rows, asked, 3)

    assert distances == pytest.approx(expected, abs=1e-3)
    assert (np.sort(labels) == np.sort(label[order])).all()
    assert (predicted == labels[:, 0]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"index_type": "faiss.IVFFlat"},
        {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "2", "faiss_index_ivf_nlists": "4"},
        {"index_metric": "COSINE"},
        {"index_metric": "INNER_PRODUCT", "index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": "5"},
        {"dimension_reduction_type": "sign", "dimension_reduction_target": "16"},
        {"dimension_reduction_type": "fjlt", "dimension_reduction_target": "16"},
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_index_classifies(tree: Tree, changes: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= changes | {"feature_dim": "32"}
    tree.arrays("train", *data(width=32))
    tree.arrays("test", *data(1000, width=32))

    assert tree.train(train) == 0, tree.failure
    found = metrics(capfd.readouterr().out)
    assert found["accuracy"] > 0.9
    assert found["macro_f_1.000"] > 0.9


def test_a_regressor_answers_with_the_mean_of_the_neighbours(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"predictor_type": "regressor", "feature_dim": "1", "k": "2"}
    rows = np.arange(10, dtype=np.float32).reshape(-1, 1)
    tree.arrays("train", rows, rows[:, 0] * 10)
    tree.arrays("test", np.array([[2.4]], np.float32), np.array([27], np.float32))
    assert tree.train(train) == 0, tree.failure

    assert metrics(capsys.readouterr().out) == {"mse": pytest.approx(4)}


def test_of_equally_frequent_labels_the_nearest_wins(tree: Tree) -> None:
    tree.hyperparameters |= {"feature_dim": "1", "k": "2"}
    tree.channel("train", as_csv([[7, 0], [4, 1], [5, 20]]))
    assert tree.train(train) == 0, tree.failure

    predicted, _, _ = model.load(tree.base / "model").predict(np.array([[0.4], [0.6]], np.float32))
    assert predicted.tolist() == [7, 4]


def test_answers_have_the_keys_of_aws(tree: Tree) -> None:
    tree.hyperparameters |= {"feature_dim": "1"}
    tree.channel("train", as_csv([[1, 0], [1, 1], [0, 5], [0, 6]]))
    assert tree.train(train) == 0, tree.failure
    loaded = SERVING.load(tree.base / "model")
    plain, verbose = (
        answer.body
        for answer in SERVING.answer(
            loaded,
            [
                Request(b"0.0\n", {"content-type": "text/csv", "accept": accept})
                for accept in ("application/json", "application/json; verbose=true")
            ],
        )
    )

    assert isinstance(plain, bytes)
    assert isinstance(verbose, bytes)
    assert json.loads(plain) == {"predictions": [{"predicted_label": 1.0}]}
    assert json.loads(verbose) == {
        "predictions": [{"predicted_label": 1.0, "distances": [0.0, 1.0, 5.0], "labels": [1.0, 1.0, 0.0]}]
    }


@pytest.mark.parametrize("kind", [SIGN, FJLT])
def test_a_projection_keeps_lengths(kind: str) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32)
    short = rows @ projection.matrix(kind, 300, 200, np.random.default_rng(0))

    ratio = np.linalg.norm(short, axis=1) / np.linalg.norm(rows, axis=1)
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    assert ratio.std() < 0.1


def test_several_hosts_sample_together(tmp_path: Path) -> None:
    rows, label = data()
    hosts, job = ("127.0.43.1", "127.0.43.2"), uuid.uuid4().hex
    asked = {"feature_dim": "4", "k": "3", "predictor_type": "classifier", "sample_size": "300"}
    trees = [Tree(tmp_path / host, dict(asked), hosts=hosts, current_host=host, job=job) for host in hosts]
    for place, tree in enumerate(trees):
        tree.arrays("train", rows[place::2], label[place::2])

    assert train_together(trees, train) == [0, 0], [tree.failure for tree in trees]
    assert len(model.load(trees[0].base / "model").labels) == 300
    assert not trees[1].model.exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sample_size": None}, "No value(s) were specified for 'sample_size' which are required hyperparameter(s)"),
        ({"predictor_type": "ranker"}, "'ranker' is not valid under any of the given schemas"),
        ({"index_type": "faiss.HNSW"}, "'faiss.HNSW' is not valid under any of the given schemas"),
        ({"dimension_reduction_type": "sign"}, "dimension_reduction_target is required"),
        ({"dimension_reduction_type": "sign", "dimension_reduction_target": "4"}, "less than feature_dim (4)"),
        ({"index_type": "faiss.IVFPQ"}, "faiss_index_pq_m is required when index_type is faiss.IVFPQ"),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "5"}, "faiss_index_pq_m must be one of 1, 2, 3, 4"),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "3"}, "must be a multiple of faiss_index_pq_m (3)"),
        (
            {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "2", "index_metric": "COSINE"},
            "supports only index_metric L2",
        ),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "2"}, "needs at least 256 training records, there are 60"),
        ({"k": "1001"}, "k (1001) must not be larger than sample_size (1000)"),
        ({"k": "61"}, "k (61) must not be larger than the number of training records (60)"),
        ({"feature_dim": "5"}, "rows with 4 features, but feature_dim is 5"),
    ],
)
def test_a_wrong_hyperparameter_is_named(tree: Tree, changes: dict[str, Any], reason: str) -> None:
    tree.hyperparameters = {
        name: value for name, value in (tree.hyperparameters | changes).items() if value is not None
    }
    tree.arrays("train", *data(60))

    assert tree.train(train) == 2
    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


def test_labels_are_needed_and_those_of_classes_are_whole(tree: Tree) -> None:
    tree.arrays("train", data()[0])
    assert tree.train(train) == 2
    assert "The records of the train channel have no label" in tree.failure
    tree.arrays("train", data()[0], data()[1] + np.float32(0.5))

    assert tree.train(train) == 2
    assert "Labels of a classifier must be integers, but the train channel has the label " in tree.failure


def test_an_empty_channel_is_told_in_aws_words(tree: Tree) -> None:
    tree.channel("train", "")

    assert tree.train(train) == 2
    assert "No training data processed." in tree.failure


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x93NUMPY"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / model.MODEL_NAME).write_bytes(content)

    with pytest.raises(UserError, match="not a model of k-nearest neighbours"):
        model.load(tmp_path)
