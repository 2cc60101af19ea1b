"""Factorization Machines: interactions are learnt, by one host and by several; what is said, answered and refused."""

import io
import json
import re
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from salvia_algorithms.factorization_machines.hyperparameters import TABLE
from salvia_algorithms.factorization_machines.machine import Machine, Parameters, scores
from salvia_algorithms.factorization_machines.model import FACTORS, LINEAR, Model, load
from salvia_algorithms.factorization_machines.train import train
from salvia_algorithms.first_party import hyperparameters, ndarray
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.serving import Serving
from salvia_container import recordio
from salvia_container.failure import UserError
from salvia_container.serving.handler import Request
from tests.salvia_algorithms.first_party.tree import RECORDIO, Tree, train_together

GIVEN = {
    "feature_dim": "20",
    "num_factors": "4",
    "predictor_type": "regressor",
    "mini_batch_size": "100",
    "epochs": "60",
    "factors_lr": "0.02",
    "linear_lr": "0.02",
    "factors_init_sigma": "0.1",
}
PAGE = (Path(__file__).parents[3] / "docs" / "algorithms" / "factorization-machines.md").read_text()

Floats = npt.NDArray[np.float32]


def ratings(rows: int = 1000, seed: int = 0) -> tuple[sp.csr_matrix, Floats]:
    """A user (10) and an item (10) in each row; who likes what has two hidden reasons that no linear model can see."""
    hidden = np.random.default_rng(7).normal(size=(20, 2))
    random = np.random.default_rng(seed)
    user, item = random.integers(0, 10, rows), random.integers(10, 20, rows)
    index = np.column_stack([user, item]).ravel()
    features = sp.csr_matrix((np.ones(2 * rows, np.float32), index, np.arange(0, 2 * rows + 1, 2)), shape=(rows, 20))
    return features, np.einsum("ij,ij->i", hidden[user], hidden[item]).astype(np.float32)


def fill(tree: Tree, channel: str, features: sp.csr_matrix, label: Floats) -> None:
    tree.channel(channel, recordio.write_sparse(features, label), RECORDIO)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", dict(GIVEN))


def measured(output: str) -> dict[str, list[float]]:
    """The metrics of a log as the platform finds them."""
    document = json.loads(
        resources.files("salvia_algorithms").joinpath("factorization_machines/metrics.json").read_text()
    )
    found = {one["name"]: [float(value) for value in re.findall(one["regex"], output)] for one in document["metrics"]}
    return {name: values for name, values in found.items() if values}


def test_a_score_is_the_sum_over_all_pairs() -> None:
    random = np.random.default_rng(0)
    parameters = Parameters(np.array([0.5], np.float32), random.normal(size=(5, 4)).astype(np.float32))
    x = random.normal(size=(3, 5)).astype(np.float32)
    linear, factors = parameters.weights[:, 0], parameters.weights[:, 1:]
    pairs = [
        sum(row[i] * row[j] * float(factors[i] @ factors[j]) for i in range(5) for j in range(i + 1, 5)) for row in x
    ]

    expected = 0.5 + x @ linear + np.array(pairs)

    assert scores(x, parameters).tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    assert scores(sp.csr_matrix(x), parameters).tolist() == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize("kind", ["regressor", "binary_classifier"])
def test_the_slope_is_that_of_the_loss(kind: str) -> None:
    values = hyperparameters.validate(TABLE, GIVEN | {"predictor_type": kind, "feature_dim": "4"})
    machine = Machine(values, Collective())
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    label = np.array([0, 1, 1, 0, 1, 0], np.float32)
    _, slopes, bias, _, _ = machine._slopes(Batch(x, label))

    def loss(place: tuple[int, int] | None, by: float) -> float:
        weights, constant = machine.parameters.weights.astype(np.float64), machine.parameters.bias.astype(np.float64)
        if place is None:
            constant = constant + by
        else:
            weights[place] += by
        said: Any = scores(x, Parameters(constant, weights))  # type: ignore[arg-type]
        if kind == "regressor":
            return float(np.square(said - label).sum())
        return float(np.logaddexp(0, np.where(label > 0, -said, said)).sum())

    for place in np.ndindex(slopes.shape):
        assert slopes[place] == pytest.approx((loss(place, 1e-4) - loss(place, -1e-4)) / 2e-4, abs=1e-3)
    assert bias == pytest.approx((loss(None, 1e-4) - loss(None, -1e-4)) / 2e-4, abs=1e-3)


def test_hidden_reasons_are_found(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, "train", *ratings())
    fill(tree, "test", *ratings(seed=1))

    assert tree.train(train) == 0

    found = measured(capsys.readouterr().out)
    assert found["test:rmse"][0] < 0.25 * float(ratings(seed=1)[1].std())
    assert len(found["train:rmse"]) == len(found["train:progress"]) == 60


def test_likes_and_dislikes_are_told_apart(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters["predictor_type"] = "binary_classifier"
    for channel, seed in (("train", 0), ("test", 1)):
        features, value = ratings(seed=seed)
        fill(tree, channel, features, (value > 0).astype(np.float32))

    assert tree.train(train) == 0

    found = measured(capsys.readouterr().out)
    assert found["test:binary_classification_accuracy"][0] > 0.95
    assert {"test:binary_f_beta", "test:binary_classification_cross_entropy", "train:binary_f_beta"} <= set(found)


def test_dense_rows_teach_the_same_as_sparse_ones(tree: Tree, tmp_path: Path) -> None:
    features, label = ratings()
    other = Tree(tmp_path / "dense", dict(GIVEN))
    fill(tree, "train", features, label)
    other.arrays("train", features.toarray(), label)

    assert (tree.train(train), other.train(train)) == (0, 0)

    one, two = load(tree.base / "model"), load(other.base / "model")
    assert one.parameters.weights.ravel().tolist() == pytest.approx(two.parameters.weights.ravel().tolist(), abs=1e-2)


def test_several_instances_learn_together(tmp_path: Path) -> None:
    hosts = ("127.0.71.1", "127.0.71.2")
    trees = [Tree(tmp_path / host, dict(GIVEN), hosts=hosts, current_host=host, job="fm") for host in hosts]
    features, label = ratings(1500)
    fill(trees[0], "train", features[:1000], label[:1000])
    fill(trees[1], "train", features[1000:], label[1000:])

    assert train_together(trees, train) == [0, 0]

    assert [one.model.exists() for one in trees] == [True, False]
    others, value = ratings(seed=1)
    said = load(trees[0].base / "model").predict(Batch(others), verbose=False)["score"]
    assert np.sqrt(np.square(said - value).mean()) < 0.25 * value.std()


def test_when_one_instance_has_no_data_all_fail_with_the_reason(tmp_path: Path) -> None:
    hosts = ("127.0.72.1", "127.0.72.2")
    trees = [Tree(tmp_path / host, dict(GIVEN), hosts=hosts, current_host=host, job="fm-no") for host in hosts]
    fill(trees[0], "train", *ratings(50))
    trees[1].channel("train", b"", RECORDIO)

    assert train_together(trees, train) == [2, 2]

    assert all(one.failure.startswith("ClientError: No training data processed.") for one in trees)


def test_the_artefact_has_awss_arrays(tree: Tree) -> None:
    tree.hyperparameters["epochs"] = "1"
    fill(tree, "train", *ratings(100))

    assert tree.train(train) == 0

    with zipfile.ZipFile(tree.model) as archive:
        arrays = ndarray.read(archive.read("params"))
    assert {name: array.shape for name, array in arrays.items()} == {
        "arg:v": (20, 4),
        "arg:w1_weight": (20, 1),
        "arg:w0_weight": (1,),
    }


def test_a_model_of_awss_is_told_by_its_graph(tmp_path: Path) -> None:
    arrays = {FACTORS: np.ones((3, 2)), LINEAR: np.zeros((3, 1)), "arg:w0_weight": np.zeros(1)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("params", ndarray.write({name: array.astype(np.float32) for name, array in arrays.items()}))
        archive.writestr("symbol.json", '{"nodes": [{"op": "LogisticRegressionOutput"}]}')
    (tmp_path / "model_algo-1").write_bytes(out.getvalue())

    assert load(tmp_path).predictor_type == "binary_classifier"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("regressor", {"score": 3.0}),
        ("binary_classifier", {"score": pytest.approx(0.952574, abs=1e-5), "predicted_label": 1}),
    ],
)
def test_answers_have_awss_keys(kind: str, answer: dict[str, object]) -> None:
    model = Model(Parameters(np.array([1], np.float32), np.array([[0, 1], [0, 2]], np.float32)), kind)
    body = b'{"instances": [{"data": {"features": {"keys": [0, 1], "shape": [2], "values": [1, 1]}}}]}'

    (found,) = Serving(load).answer(model, [Request(body, {"content-type": "application/json"})])

    assert isinstance(found.body, bytes)
    assert json.loads(found.body) == {"predictions": [answer]}


@pytest.mark.parametrize(
    ("given", "content_type", "reason"),
    [
        ({"predictor_type": "multiclass_classifier"}, RECORDIO, "one of 'binary_classifier', 'regressor'"),
        ({}, "text/csv", "No iterator has been registered for ContentType ('text/csv', '1.0')"),
        ({"predictor_type": "binary_classifier"}, RECORDIO, "must be 0 or 1, but"),
        ({"feature_dim": "10"}, RECORDIO, "rows with 20 features, but feature_dim is 10"),
    ],
)
def test_what_is_wrong_is_said(tree: Tree, given: dict[str, str], content_type: str, reason: str) -> None:
    tree.hyperparameters |= given
    tree.channel("train", recordio.write_sparse(*ratings(50)), content_type)

    assert tree.train(train) == 2

    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


def test_rates_that_are_too_high_are_said_to_be(tree: Tree) -> None:
    tree.hyperparameters |= {"factors_lr": "1e20", "linear_lr": "1e20"}
    fill(tree, "train", *ratings(300))

    assert tree.train(train) == 1

    assert tree.failure.startswith("AlgorithmError: Training diverged")


def test_anything_else_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model_algo-1").write_bytes(b"PK")

    with pytest.raises(UserError, match="is not a Factorization Machines model"):
        load(tmp_path)


@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith("_")])
def test_every_hyperparameter_is_documented_with_its_default(name: str) -> None:
    default = "required" if TABLE[name].required else TABLE[name].default or "-"

    assert any(line.startswith(f"| `{name}` |") and line.endswith(f"| {default} |") for line in PAGE.splitlines())
