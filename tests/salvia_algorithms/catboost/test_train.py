"""Whole CatBoost jobs: as good as the library, with categories as they are, gone on with after a kill; what their models answer."""

import functools
import json
import re
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest

from salvia_algorithms.catboost import model
from salvia_algorithms.catboost import train as training
from salvia_algorithms.catboost.serve import SERVING
from salvia_algorithms.catboost.train import train
from salvia_algorithms.tabular.problem import CLASSIFICATION, REGRESSION
from salvia_container.failure import UserError
from salvia_container.serving.handler import Request
from tests.salvia_algorithms.first_party.tree import Tree
from tests.salvia_algorithms.tabular.abalone import TRAINED, ages, as_text, rings, text

regress = functools.partial(train, problem=REGRESSION)
classify = functools.partial(train, problem=CLASSIFICATION)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    fast = {"iterations": "40", "learning_rate": "0.2", "depth": "4", "thread_count": "1", "verbose": "10"}
    return Tree(tmp_path / "ml", fast)


def fill(tree: Tree, rows: list[Any]) -> None:
    tree.channel("training", text(rows[:TRAINED]), file="train/data.csv")
    tree.channel("training", text(rows[TRAINED:]), file="validation/data.csv")


def best(log: str) -> float:
    """What AWS's own regular expression finds last."""
    return float(re.findall(r"bestTest = ([0-9\.]+)", log)[-1])


def ask(tree: Tree, row: list[Any], accept: str = "application/json") -> dict[str, Any]:
    request = Request(text([row]).encode(), {"content-type": "text/csv", "accept": accept})
    (answer,) = SERVING.answer(SERVING.load(tree.base / "model"), [request])
    assert isinstance(answer.body, bytes)
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_a_regression_is_as_good_as_the_library(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, rings())
    assert tree.train(regress) == 0, tree.failure
    rows = np.array(rings(), np.float32)
    plain = catboost.CatBoostRegressor(
        iterations=40, learning_rate=0.2, depth=4, thread_count=1, verbose=False, allow_writing_files=False
    )
    plain.fit(rows[:TRAINED, 1:], rows[:TRAINED, 0])
    expected = np.sqrt(np.mean((plain.predict(rows[TRAINED:, 1:]) - rows[TRAINED:, 0]) ** 2))

    assert best(capsys.readouterr().out) == pytest.approx(expected, rel=0.02)


def test_categories_are_words(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, as_text())
    tree.channel("training", '{"cat_index_list": [1]}', file="categorical_index.json")
    assert tree.train(regress) == 0, tree.failure

    assert best(capsys.readouterr().out) < 2.3
    assert ask(tree, as_text()[0][1:]) == ask(tree, as_text()[0][1:])
    assert model.load(tree.base / "model").get_cat_feature_indices() == [0]
    assert ask(tree, ["never seen", *as_text()[0][2:]])["prediction"][0] > 0


def test_classes_may_be_any_integers(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, [[10 * row[0] - 10, *row[1:]] for row in ages()])
    assert tree.train(classify) == 0, tree.failure
    said = ask(tree, rings()[0][1:], "application/json;verbose")

    assert best(capsys.readouterr().out) < 0.5
    assert said["predicted_label"] == [[-10, 0, 10][int(np.argmax(said["probabilities"]))]]


def test_two_classes_are_judged_by_auc(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, [[int(row[0] > 1), *row[1:]] for row in ages()])
    assert tree.train(classify) == 0, tree.failure

    log = capsys.readouterr().out
    assert re.search(r"^AUC bestTest = 0\.8[0-9]+$", log, re.MULTILINE)
    assert len(ask(tree, rings()[0][1:])["probabilities"][0]) == 2


def test_the_artefact_is_catboosts_own(tree: Tree) -> None:
    fill(tree, rings())
    assert tree.train(regress) == 0, tree.failure

    found = catboost.CatBoostRegressor().load_model(str(tree.base / "model" / "model"))
    assert found.feature_names_[0] == "feature_0"
    assert found.predict([rings()[0][1:]])[0] == pytest.approx(ask(tree, rings()[0][1:])["prediction"][0], rel=1e-5)


def test_a_killed_training_goes_on_where_it_was(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SNAPSHOT_SECONDS", 0)
    tree.checkpoints = True
    tree.hyperparameters |= {"iterations": "20", "verbose": "1"}
    fill(tree, rings())
    assert tree.train(regress) == 0, tree.failure
    capsys.readouterr()
    tree.hyperparameters |= {"iterations": "30"}
    assert tree.train(regress) == 0, tree.failure

    rounds = [int(number) for number in re.findall(r"^(\d+):", capsys.readouterr().out, re.MULTILINE)]
    assert rounds == list(range(20, 30))


@pytest.mark.parametrize("metric", ["AUC", "Accuracy"])
def test_metrics_of_several_classes_are_found(tree: Tree, metric: str) -> None:
    tree.hyperparameters |= {"eval_metric": metric, "iterations": "3"}
    fill(tree, ages())

    assert tree.train(classify) == 0, tree.failure


@pytest.mark.parametrize(
    "changes",
    [
        {"grow_policy": "Lossguide", "max_leaves": "16"},
        {"grow_policy": "Depthwise", "min_data_in_leaf": "5"},
        {"bagging_temperature": "0.5", "boosting_type": "Plain", "max_bin": "64"},
        {"sampling_frequency": "PerTree", "rsm": "0.5", "eval_metric": "MAE"},
    ],
)
def test_every_kind_of_tree_grows(tree: Tree, changes: dict[str, str]) -> None:
    tree.hyperparameters |= changes | {"iterations": "3"}
    fill(tree, rings())

    assert tree.train(regress) == 0, tree.failure


def test_what_catboost_cannot_do_is_the_users_to_change(tree: Tree) -> None:
    tree.hyperparameters |= {"max_leaves": "8"}
    fill(tree, rings())

    assert tree.train(regress) == 2
    assert tree.failure.startswith("ClientError: CatBoost cannot train: max_leaves")
    assert len(tree.failure.splitlines()) == 1


def test_the_range_of_a_hyperparameter_that_may_be_auto_is_told(tree: Tree) -> None:
    tree.hyperparameters |= {"max_bin": "65536"}
    fill(tree, rings())

    assert tree.train(regress) == 2
    assert tree.failure == "ClientError: Hyperparameter 'max_bin' can be no greater than 65535."


def test_one_instance_trains(tree: Tree) -> None:
    tree.hosts = ("algo-1", "algo-2")
    fill(tree, rings())

    assert tree.train(regress) == 2
    assert tree.failure == "ClientError: CatBoost trains on one instance, not on 2"


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / model.MODEL_NAME).write_bytes(b"torn")

    with pytest.raises(UserError, match="is not a model of CatBoost"):
        model.load(tmp_path)
