"""PCA: what is found, in which form, by one host and by several, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from salvia_algorithms.first_party import ndarray
from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.pca.hyperparameters import TABLE
from salvia_algorithms.pca.model import Model, load
from salvia_algorithms.pca.train import train
from salvia_container import recordio
from salvia_container.failure import UserError
from salvia_container.serving.handler import Request
from tests.salvia_algorithms.first_party.tree import RECORDIO, Tree, train_together
from tests.salvia_algorithms.tree import as_csv

GIVEN = {"feature_dim": "6", "num_components": "2", "mini_batch_size": "50"}
MODES = ("regular", "randomized")
PAGE = (Path(__file__).parents[3] / "docs" / "algorithms" / "pca.md").read_text()

Floats = npt.NDArray[np.float32]


def rows(count: int = 300) -> Floats:
    """Two strong directions in six features, a little noise, and a mean far away."""
    random = np.random.default_rng(0)
    strong = random.normal(size=(count, 2)) * [10, 5]
    return (strong @ random.normal(size=(2, 6)) + random.normal(size=(count, 6)) * 0.01 + 100).astype(np.float32)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", dict(GIVEN))


def expected(x: Floats, *, centred: bool = True) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Singular values, least first, and what is left of each row without the two strongest directions."""
    moved = x.astype(np.float64) - x.mean(axis=0) * centred
    _, values, directions = np.linalg.svd(moved, full_matrices=False)
    return values[:2][::-1], np.asarray(moved - moved @ directions[:2].T @ directions[:2])


def left(model: Model, x: Floats) -> npt.NDArray[Any]:
    moved = x - model.mean
    return np.asarray(moved - moved @ model.vectors @ model.vectors.T)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("centred", [True, False])
def test_the_strongest_directions_are_found(tree: Tree, mode: str, centred: bool) -> None:
    x = rows()
    tree.hyperparameters |= {"algorithm_mode": mode, "subtract_mean": str(centred).lower()}
    tree.arrays("train", x)

    assert tree.train(train) == 0

    found = load(tree.base / "model")
    values, rest = expected(x, centred=centred)
    assert found.values.tolist() == pytest.approx(values.tolist(), rel=1e-3)
    assert (found.vectors.T @ found.vectors).tolist() == [
        pytest.approx([1, 0], abs=1e-5),
        pytest.approx([0, 1], abs=1e-5),
    ]
    assert np.square(left(found, x)).mean() == pytest.approx(np.square(rest).mean(), rel=0.05, abs=1e-6)
    assert found.mean.tolist() == pytest.approx(x.mean(axis=0).tolist() if centred else [0.0] * 6, rel=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_sparse_rows_have_the_same_components_as_dense_ones(tree: Tree, tmp_path: Path, mode: str) -> None:
    x = np.where(np.random.default_rng(0).random((200, 6)) < 0.3, np.arange(1, 7), 0).astype(np.float32)
    dense = Tree(tmp_path / "dense", GIVEN | {"algorithm_mode": mode})
    tree.hyperparameters["algorithm_mode"] = mode
    dense.arrays("train", x)
    tree.channel("train", recordio.write_sparse(sp.csr_matrix(x)), RECORDIO)

    assert (tree.train(train), dense.train(train)) == (0, 0)

    one, other = load(tree.base / "model"), load(dense.base / "model")
    assert one.vectors.ravel().tolist() == pytest.approx(other.vectors.ravel().tolist(), abs=1e-3)


def test_csv_without_labels_is_read(tree: Tree) -> None:
    tree.channel("train", as_csv(rows()), "text/csv;label_size=0")

    assert tree.train(train) == 0

    assert load(tree.base / "model").vectors.shape == (6, 2)


@pytest.mark.parametrize("mode", MODES)
def test_a_sketch_is_close_where_there_are_many_features(tree: Tree, mode: str) -> None:
    random = np.random.default_rng(1)
    x = (random.normal(size=(500, 200)) * 0.9 ** np.arange(200)).astype(np.float32)
    tree.hyperparameters = {
        "feature_dim": "200",
        "num_components": "10",
        "mini_batch_size": "50",
        "algorithm_mode": mode,
    }
    tree.arrays("train", x)

    assert tree.train(train) == 0

    found = load(tree.base / "model")
    exact = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[:10][::-1]
    assert found.values.tolist() == pytest.approx(exact.tolist(), rel=0.1 if mode == "randomized" else 1e-4)


def test_data_of_fewer_directions_than_asked_has_components_without_weight(tree: Tree) -> None:
    tree.hyperparameters |= {"algorithm_mode": "randomized", "num_components": "4"}
    tree.arrays("train", np.outer(np.arange(50), [1, 0, 0, 0, 0, 0]))

    assert tree.train(train) == 0

    found = load(tree.base / "model")
    assert found.values.tolist() == pytest.approx([0, 0, 0, found.values[-1]], abs=1e-2)
    assert np.isfinite(found.vectors).all()


@pytest.mark.parametrize("mode", MODES)
def test_several_instances_find_what_one_finds(tmp_path: Path, tree: Tree, mode: str) -> None:
    hosts = ("127.0.61.1", "127.0.61.2", "127.0.61.3")
    x = rows()
    given = GIVEN | {"algorithm_mode": mode}
    trees = [Tree(tmp_path / host, dict(given), hosts=hosts, current_host=host, job=f"pca-{mode}") for host in hosts]
    for place, one in enumerate(trees):
        one.arrays("train", x[place * 100 : place * 100 + 100])
    tree.hyperparameters = given
    tree.arrays("train", x)

    assert [*train_together(trees, train), tree.train(train)] == [0, 0, 0, 0]

    assert [one.model.exists() for one in trees] == [True, False, False]
    together, alone = load(trees[0].base / "model"), load(tree.base / "model")
    assert together.values.tolist() == pytest.approx(alone.values.tolist(), rel=1e-4)
    assert together.vectors.ravel().tolist() == pytest.approx(alone.vectors.ravel().tolist(), abs=1e-3)


def test_the_artefact_has_awss_arrays(tree: Tree) -> None:
    tree.arrays("train", rows())

    assert tree.train(train) == 0

    shapes = {name: array.shape for name, array in ndarray.read(tree.model.read_bytes()).items()}
    assert shapes == {"s": (2,), "v": (6, 2), "mean": (1, 6)}


def test_answers_have_awss_keys() -> None:
    model = Model(np.ones(1, np.float32), np.array([[1], [0]], np.float32), np.array([1, 5], np.float32))

    (answer,) = Serving(load, key="projections").answer(model, [Request(b"4,9\n1,5\n", {"content-type": "text/csv"})])

    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"projections": [{"projection": [3.0]}, {"projection": [0.0]}]}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"num_components": "7"}, "an integer in [1, 6], which is feature_dim"),
        ({"extra_components": "-2"}, "an integer in [-1, +inf)"),
        ({"algorithm_mode": "fast"}, "one of 'regular', 'randomized'"),
        ({"feature_dim": "5"}, "rows with 6 features, but feature_dim is 5"),
    ],
)
def test_what_is_wrong_is_said(tree: Tree, given: dict[str, str], reason: str) -> None:
    tree.hyperparameters |= given
    tree.arrays("train", rows())

    assert tree.train(train) == 2

    assert reason in tree.failure


def test_an_empty_channel_fails_with_awss_reason(tree: Tree) -> None:
    tree.channel("train", b"", RECORDIO)

    assert tree.train(train) == 2

    assert tree.failure.startswith("ClientError: No training data processed.")


def test_the_share_of_the_test_data_is_in_the_log(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.arrays("train", rows())
    tree.arrays("test", rows())

    assert tree.train(train) == 0

    assert "The components hold 100 % of the variance of the test data." in capsys.readouterr().out


def test_anything_else_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model_algo-1").write_bytes(
        ndarray.write({"s": np.zeros(2, np.float32), "v": np.zeros((3, 1), np.float32)})
    )

    with pytest.raises(UserError, match="is not a PCA model"):
        load(tmp_path)


@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith("_")])
def test_every_hyperparameter_is_documented_with_its_default(name: str) -> None:
    default = "required" if TABLE[name].required else TABLE[name].default

    assert any(line.startswith(f"| `{name}` |") and line.endswith(f"| {default} |") for line in PAGE.splitlines())
