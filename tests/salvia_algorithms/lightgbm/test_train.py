"""Whole LightGBM jobs: as good as the library, on one host and several, gone on with after a kill; what their models answer."""

import functools
import json
import pickle
import re
import uuid
from collections import OrderedDict, defaultdict
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from salvia_algorithms.lightgbm import checkpoints, model
from salvia_algorithms.lightgbm.serve import SERVING
from salvia_algorithms.lightgbm.train import train
from salvia_algorithms.tabular.problem import CLASSIFICATION, REGRESSION
from salvia_container.failure import UserError
from salvia_container.serving.handler import Request
from tests.salvia_algorithms.first_party.tree import Tree, train_together
from tests.salvia_algorithms.tabular.abalone import TRAINED, Row, ages, rings, text

regress = functools.partial(train, problem=REGRESSION)
classify = functools.partial(train, problem=CLASSIFICATION)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", {"num_threads": "1", "verbosity": "-1"})


def fill(tree: Tree, rows: list[Row], trained: int = TRAINED) -> None:
    tree.channel("train", text(rows[:trained]))
    tree.channel("validation", text(rows[TRAINED:]))


def scores(log: str, metric: str) -> list[float]:
    """What AWS's own regular expression finds."""
    return [float(value) for value in re.findall(rf"{metric}: ([0-9\.]+)", log)]


def ask(tree: Tree, row: list[float], accept: str = "application/json") -> dict[str, list[float]]:
    request = Request(text([row]).encode(), {"content-type": "text/csv", "accept": accept})
    (answer,) = SERVING.answer(SERVING.load(tree.base / "model"), [request])
    assert isinstance(answer.body, bytes)
    found: dict[str, list[float]] = json.loads(answer.body)
    return found


def test_a_regression_is_as_good_as_the_library(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, rings())
    assert tree.train(regress) == 0, tree.failure
    rows = np.array(rings(), np.float32)
    data = lgb.Dataset(rows[:TRAINED, 1:].copy(), rows[:TRAINED, 0].copy())
    parameters = {
        "objective": "regression", "num_leaves": 64, "max_depth": 6, "learning_rate": 0.1, "min_data_in_leaf": 3,
        "feature_fraction": 0.9, "bagging_fraction": 0.9, "bagging_freq": 1, "num_threads": 1, "verbosity": -1,
    }  # fmt: skip
    plain = lgb.train(parameters, data, 40).predict(rows[TRAINED:, 1:].copy())

    least = min(scores(capsys.readouterr().out, "rmse"))
    assert least < float(np.sqrt(np.mean((plain - rows[TRAINED:, 0]) ** 2))) * 1.02


def test_training_stops_early_with_the_best_round(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"learning_rate": "0.5", "early_stopping_rounds": "3"}
    fill(tree, rings())
    assert tree.train(regress) == 0, tree.failure

    found = scores(capsys.readouterr().out, "rmse")
    booster = model.load(tree.base / "model")
    assert len(found) < 100
    assert found[-1] == min(found)
    assert found[booster.best_iteration - 1] == min(found)


def test_more_classes_than_two_have_a_probability_each(tree: Tree) -> None:
    fill(tree, ages())
    assert tree.train(classify) == 0, tree.failure
    said = ask(tree, rings()[0][1:], "application/json;verbose")

    assert list(said) == ["probabilities-1d", "probabilities", "predicted_label"]
    assert np.sum(said["probabilities"]) == pytest.approx(1)
    assert said["predicted_label"] == [int(np.argmax(said["probabilities"]))]


def test_two_classes_have_two_probabilities(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"metric": "auc"}
    fill(tree, [[float(row[0] > 1), *row[1:]] for row in ages()])
    assert tree.train(classify) == 0, tree.failure

    said = np.array(ask(tree, rings()[0][1:])["probabilities"])
    assert said.shape == (1, 2)
    assert said.sum() == pytest.approx(1)
    assert max(scores(capsys.readouterr().out, "auc")) > 0.85


def test_the_artefact_is_a_booster_that_joblib_reads(tree: Tree) -> None:
    tree.hyperparameters |= {"num_boost_round": "5"}
    fill(tree, rings())
    assert tree.train(regress) == 0, tree.failure

    booster = pickle.loads((tree.base / "model" / "model.pkl").read_bytes())
    assert isinstance(booster, lgb.Booster)
    assert booster.feature_name()[0] == "feature_0"
    assert booster.predict([rings()[0][1:]])[0] == pytest.approx(ask(tree, rings()[0][1:])["prediction"][0])


def test_the_artefact_of_an_older_library_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array(rings()[:100], np.float32)
    data = lgb.Dataset(rows[:, 1:].copy(), rows[:, 0].copy())
    text = lgb.train({"objective": "regression", "verbosity": -1, "num_threads": 1}, data, 3).model_to_string()

    class Booster:
        """As LightGBM 3 pickled it: its text was called differently, and a number said that no round is the best."""

        def __init__(self) -> None:
            self.handle, self.best_iteration = text, -1
            self.best_score: dict[str, OrderedDict[str, np.float64]] = defaultdict(OrderedDict)
            self.best_score["val"]["rmse"] = np.float64(2.5)

    Booster.__module__, Booster.__qualname__ = "lightgbm.basic", "Booster"
    with monkeypatch.context() as patched:
        patched.setattr(lgb.basic, "Booster", Booster)
        (tmp_path / model.MODEL_NAME).write_bytes(pickle.dumps(Booster(), protocol=4))

    assert model.load(tmp_path).current_iteration() == 3


def together(folder: Path, *, sharded: bool, **hyperparameters: str) -> list[Tree]:
    """The trees of two hosts of one job."""
    hosts, job = ("127.0.44.1", "127.0.44.2"), uuid.uuid4().hex
    given = {"num_threads": "1"} | hyperparameters
    trees = [Tree(folder / host, dict(given), hosts=hosts, current_host=host, job=job) for host in hosts]
    for place, tree in enumerate(trees):
        first, step, kind = (place, 2, "ShardedByS3Key") if sharded else (0, 1, "FullyReplicated")
        tree.channel("train", text(ages()[first:TRAINED:step]), S3DistributionType=kind)
        tree.channel("validation", text(ages()[TRAINED:]))
    return trees


@pytest.mark.parametrize(("sharded", "learner"), [(False, "serial"), (True, "voting")])
def test_several_hosts_are_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, sharded: bool, learner: str
) -> None:
    trees = together(tmp_path, sharded=sharded, tree_learner=learner)

    assert train_together(trees, classify) == [0, 0], [tree.failure for tree in trees]
    assert min(scores(capfd.readouterr().out, "multi_logloss")) < 0.43
    assert not (trees[1].base / "model").exists()


def test_hosts_cannot_divide_the_features(tmp_path: Path) -> None:
    trees = together(tmp_path, sharded=False, tree_learner="feature")

    assert train_together(trees, classify) == [2, 2]
    assert trees[0].failure == "ClientError: LightGBM cannot train: Do not support feature parallel in c api"


def test_a_killed_training_goes_on_where_it_was(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS", 0)
    tree.checkpoints = True
    fill(tree, rings())
    tree.hyperparameters |= {"num_boost_round": "10"}
    assert tree.train(regress) == 0, tree.failure
    first = scores(capsys.readouterr().out, "rmse")
    tree.hyperparameters |= {"num_boost_round": "15"}
    assert tree.train(regress) == 0, tree.failure

    log = capsys.readouterr().out
    assert "Resuming from iteration 11" in log
    assert len(scores(log, "rmse")) == 5
    assert scores(log, "rmse")[0] < first[-1]
    assert model.load(tree.base / "model").current_iteration() == 15


@pytest.mark.parametrize("content", [b"", b"torn", pickle.dumps(functools.partial(print)), pickle.dumps([1])])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / model.MODEL_NAME).write_bytes(content)

    with pytest.raises(UserError, match="is not a pickled model of LightGBM"):
        model.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "mape"}, "Hyperparameter 'metric' must have one of the following values: auto, rmse"),
        ({"metric": "auc_mu"}, "LightGBM cannot train: "),
        ({"boosting": "rf", "bagging_freq": "0", "feature_fraction": "1.0"}, "LightGBM cannot train: "),
    ],
)
def test_what_lightgbm_cannot_do_is_the_users_to_change(tree: Tree, changes: dict[str, str], reason: str) -> None:
    tree.hyperparameters |= changes
    fill(tree, rings(), 300)

    assert tree.train(regress) == 2
    assert tree.failure.startswith(f"ClientError: {reason}")
    assert len(tree.failure.splitlines()) == 1


def test_classes_are_counted_from_zero(tree: Tree) -> None:
    fill(tree, [[row[0] + 1, *row[1:]] for row in ages()])

    assert tree.train(classify) == 2
    assert tree.failure.endswith("integers from 0 to the number of classes - 1, but they are 1, 2, 3")
