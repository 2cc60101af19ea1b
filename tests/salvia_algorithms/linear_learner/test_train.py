"""Whole training jobs: what is learnt, what is said, and what is refused."""

import json
import os
import re
import threading
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from salvia_algorithms.linear_learner import model
from salvia_algorithms.linear_learner.train import train
from salvia_container import recordio
from salvia_container.feed import feed, make_fifo
from tests.salvia_algorithms.first_party.tree import RECORDIO, Tree, train_together
from tests.salvia_algorithms.tree import as_csv

Floats = npt.NDArray[np.float32]
SMALL = {"num_models": "1", "mini_batch_size": "50", "epochs": "10", "learning_rate": "0.1"}


def features(rows: int = 400, seed: int = 0) -> Floats:
    """Three features, far from zero and of different widths."""
    random = np.random.default_rng(seed)
    return (random.normal(size=(rows, 3)) * [1, 10, 0.1] + [0, 50, -1]).astype(np.float32)


def positive(x: Floats) -> Floats:
    return (x[:, 0] + (x[:, 1] - 50) / 10 > 0.3).astype(np.float32)


def linear(x: Floats) -> Floats:
    return (7 * x[:, 0] - 2 * x[:, 1] + 30 * x[:, 2] + 1000).astype(np.float32)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", {"predictor_type": "binary_classifier", **SMALL})


def accuracy(tree: Tree, x: Floats, label: Floats) -> float:
    found = model.load(tree.base / "model")
    labels = found.labels(found.raw(x))
    assert labels is not None
    return float((labels == label).mean())


def measured(output: str) -> dict[str, list[float]]:
    """The metrics of a log as the platform finds them."""
    document = json.loads(resources.files("salvia_algorithms").joinpath("linear_learner/metrics.json").read_text())
    found = {one["name"]: [float(value) for value in re.findall(one["regex"], output)] for one in document["metrics"]}
    return {name: values for name, values in found.items() if values}


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["logistic", "hinge_loss"])
def test_two_classes_are_told_apart(tree: Tree, optimizer: str, loss: str) -> None:
    tree.hyperparameters |= {"optimizer": optimizer, "loss": loss}
    x = features()
    tree.arrays("train", x, positive(x))

    assert tree.train(train) == 0

    assert accuracy(tree, features(seed=1), positive(features(seed=1))) > 0.95


@pytest.mark.parametrize(
    "loss", ["auto", "absolute_loss", "huber_loss", "quantile_loss", "eps_insensitive_squared_loss"]
)
def test_a_line_is_found_whatever_the_loss(tree: Tree, loss: str) -> None:
    tree.hyperparameters |= {
        "predictor_type": "regressor",
        "loss": loss,
        "epochs": "40",
        "early_stopping_patience": "40",
    }
    x = features()
    tree.channel("train", as_csv(np.column_stack([linear(x), x])))

    assert tree.train(train) == 0

    found = model.load(tree.base / "model")
    assert found.weight[:, 0].tolist() == pytest.approx([7, -2, 30], rel=0.1)
    assert np.abs(found.raw(x)[:, 0] - linear(x)).mean() < 0.05 * linear(x).std()


@pytest.mark.parametrize("loss", ["softmax_loss", "hinge_loss"])
def test_several_classes_are_told_apart(tree: Tree, loss: str, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"predictor_type": "multiclass_classifier", "num_classes": "4", "loss": loss}
    x = features()
    label = positive(x) + 2 * (x[:, 2] > -1).astype(np.float32)
    tree.arrays("train", x, label)
    tree.arrays("test", x, label)

    assert tree.train(train) == 0

    found = measured(capsys.readouterr().out)
    assert found["test:multiclass_accuracy"][-1] > 0.85
    assert {"test:dcg", "test:macro_f_beta", "test:macro_recall", "test:multiclass_top_k_accuracy"} <= set(found)
    assert model.load(tree.base / "model").weight.shape == (3, 4)


def test_sparse_rows_teach_the_same_as_dense_ones(tree: Tree, tmp_path: Path) -> None:
    x = np.where(np.random.default_rng(0).random((300, 6)) < 0.3, 1, 0).astype(np.float32)
    label = np.maximum(x[:, 0], x[:, 3])
    tree.channel("train", recordio.write_sparse(sp.csr_matrix(x), label), RECORDIO)
    other = Tree(tmp_path / "dense", dict(tree.hyperparameters))
    other.arrays("train", x, label)

    assert (tree.train(train), other.train(train)) == (0, 0)

    one, two = (model.load(each.base / "model") for each in (tree, other))
    assert one.weight.ravel().tolist() == pytest.approx(two.weight.ravel().tolist(), rel=1e-3, abs=1e-4)


def test_many_models_are_trained_and_the_best_is_kept(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    del tree.hyperparameters["num_models"], tree.hyperparameters["learning_rate"]
    x = features()
    tree.arrays("train", x, positive(x))
    tree.arrays("validation", features(seed=2), positive(features(seed=2)))

    assert tree.train(train) == 0

    output = capsys.readouterr().out
    shown = r'"epoch": 0, "model": .*"validation_binary_classification_cross_entropy_objective"'
    assert len(re.findall(shown, output)) == 32
    assert "Best model found for hyperparameters: {" in output
    assert accuracy(tree, features(seed=1), positive(features(seed=1))) > 0.97


def test_a_tuning_job_gets_one_model(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    del tree.hyperparameters["num_models"]
    tree.hyperparameters["_tuning_objective_metric"] = "validation:objective_loss"
    tree.arrays("train", features(), positive(features()))

    assert tree.train(train) == 0

    assert "Training 1 model(s) of 3 feature(s)" in capsys.readouterr().out


def test_the_log_has_awss_metrics(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    x = features()
    for channel in ("train", "validation", "test"):
        tree.arrays(channel, x, positive(x))

    assert tree.train(train) == 0

    found = measured(capsys.readouterr().out)
    scores = {"binary_classification_accuracy", "binary_f_beta", "precision", "recall", "roc_auc_score"}
    assert {f"{channel}:{name}" for channel in ("validation", "test") for name in scores} <= set(found)
    assert {"train:objective_loss", "validation:objective_loss", "validation:objective_loss:final"} <= set(found)
    assert {"test:objective_loss", "train:progress", "train:throughput"} <= set(found)
    assert found["train:objective_loss"][0] > found["train:objective_loss"][-1]


def test_training_stops_when_nothing_improves(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"epochs": "100", "early_stopping_patience": "2", "early_stopping_tolerance": "0.5"}
    tree.arrays("train", features(), positive(features()))

    assert tree.train(train) == 0

    output = capsys.readouterr().out
    assert "Early stop condition met" in output
    assert len(measured(output)["train:progress"]) < 100


def test_a_rare_class_is_found_when_it_weighs_as_much(tree: Tree) -> None:
    random = np.random.default_rng(0)
    label = (random.random(1000) < 0.05).astype(np.float32)
    x = (random.normal(size=(1000, 1)) + label[:, None]).astype(np.float32)
    recalls = []
    for weight in ("1.0", "balanced"):
        tree.hyperparameters |= {
            "positive_example_weight_mult": weight,
            "binary_classifier_model_selection_criteria": "loss_function",
        }
        tree.arrays("train", x, label)
        assert tree.train(train) == 0
        found = model.load(tree.base / "model")
        labels = found.labels(found.raw(x))
        assert labels is not None
        recalls.append(float(labels[label > 0].mean()))

    assert recalls[0] < 0.2
    assert recalls[1] > 0.5


def test_a_job_goes_on_where_it_was_interrupted(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.checkpoints = True
    tree.arrays("train", features(), positive(features()))
    tree.hyperparameters |= {"epochs": "3", "early_stopping_patience": "50"}
    assert tree.train(train) == 0
    capsys.readouterr()
    tree.hyperparameters["epochs"] = "5"

    assert tree.train(train) == 0

    output = capsys.readouterr().out
    assert "going on with epoch 3" in output
    assert len(measured(output)["train:progress"]) == 2


def test_a_job_interrupted_when_it_had_stopped_early_learns_no_more(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.checkpoints = True
    tree.arrays("train", features(), positive(features()))
    tree.hyperparameters |= {"epochs": "30", "early_stopping_patience": "1", "early_stopping_tolerance": "0.5"}
    assert tree.train(train) == 0
    before = tree.model.read_bytes()
    stopped = re.findall(r"Stopping training after epoch \d+", capsys.readouterr().out)

    assert tree.train(train) == 0

    log = capsys.readouterr().out
    assert re.findall(r"Stopping training after epoch \d+", log) == stopped != []
    assert "train:progress" not in measured(log)
    assert tree.model.read_bytes() == before


def test_training_can_begin_with_another_model(tree: Tree) -> None:
    x = features()
    tree.arrays("train", x, positive(x))
    assert tree.train(train) == 0
    before = model.load(tree.base / "model")
    tree.channel("model", tree.model.read_bytes(), "application/x-sagemaker-model", file="model_algo-1")
    tree.hyperparameters |= {"epochs": "1", "learning_rate": "1e-6"}

    assert tree.train(train) == 0

    after = model.load(tree.base / "model")
    assert after.weight.ravel().tolist() == pytest.approx(before.weight.ravel().tolist(), rel=1e-3)


def test_two_instances_train_one_model_as_good_as_one(tmp_path: Path) -> None:
    hosts = ("127.0.51.1", "127.0.51.2")
    trees = [
        Tree(
            tmp_path / host, {"predictor_type": "binary_classifier", **SMALL}, hosts=hosts, current_host=host, job="ll"
        )
        for host in hosts
    ]
    x = features(450)
    for place, one in enumerate(trees):
        part = slice(0, 300) if place == 0 else slice(300, 450)
        one.arrays("train", x[part], positive(x[part]), S3DistributionType="ShardedByS3Key")
        one.arrays("validation", x, positive(x))

    assert train_together(trees, train) == [0, 0]

    assert [one.model.exists() for one in trees] == [True, False]
    assert accuracy(trees[0], features(seed=1), positive(features(seed=1))) > 0.95


def test_when_one_instance_has_no_data_all_fail_with_the_reason(tmp_path: Path) -> None:
    hosts = ("127.0.52.1", "127.0.52.2")
    trees = [
        Tree(
            tmp_path / host, {"predictor_type": "binary_classifier", **SMALL}, hosts=hosts, current_host=host, job="no"
        )
        for host in hosts
    ]
    trees[0].arrays("train", features(), positive(features()))
    trees[1].channel("train", b"", RECORDIO)

    assert train_together(trees, train) == [2, 2]

    for one in trees:
        assert one.failure.startswith("ClientError: No training data processed. Either the training channel is empty")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0.5,1,2,3\n", "The labels of a binary_classifier must be whole numbers from 0 to 1, but 0.5 was found"),
        ("-1,1,2,3\n", "must be whole numbers from 0 to 1, but -1 was found"),
        ("", "No training data processed"),
        ("1,2\n1,x\n", "Unable to parse csv: from row 1"),
        ("1,nan\n", "is missing or not a finite number"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused_with_the_reason(tree: Tree, content: str, reason: str) -> None:
    tree.channel("train", content)

    assert tree.train(train) == 2

    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


def test_labels_are_needed(tree: Tree) -> None:
    tree.arrays("train", features())

    assert tree.train(train) == 2

    assert tree.failure == "ClientError: The data has no labels. Every record needs a label under the key 'values'."


def test_a_rate_that_is_too_high_is_said_to_be(tree: Tree) -> None:
    tree.hyperparameters |= {"predictor_type": "regressor", "optimizer": "sgd", "learning_rate": "1e30"}
    tree.arrays("train", features(), linear(features()))

    assert tree.train(train) == 1

    assert tree.failure.startswith("AlgorithmError: Training diverged")


def test_features_far_from_zero_are_learnt_from(tree: Tree) -> None:
    x = features() + np.array([0, 0, 30_000], np.float32)
    label = (x[:, 2] > 29_999).astype(np.float32)
    tree.arrays("train", x, label)

    assert tree.train(train) == 0

    assert accuracy(tree, x, label) > 0.9


@pytest.mark.parametrize("content_type", ["text/csv", RECORDIO])
def test_pipes_teach_what_files_teach(tree: Tree, tmp_path: Path, content_type: str) -> None:
    x = features()
    csv = as_csv(np.column_stack([positive(x), x])).encode()
    content = csv if content_type == "text/csv" else recordio.write_dense(x, positive(x))
    data = tree.base / "input" / "data"
    (tmp_path / "plans" / "train").mkdir(parents=True)
    data.mkdir(parents=True)
    (tmp_path / "plans" / "train" / "0").write_bytes(content)
    plan = {"channel": "train", "records": [[0]], "share": [0, 1], "seed": None, "gzip": False, "recordio": False}
    (tmp_path / "plans" / "train.json").write_text(json.dumps(plan))
    tree.hyperparameters |= {"epochs": "3", "num_point_for_scaler": "100"}
    tree.channels["train"] = {"ContentType": content_type, "TrainingInputMode": "Pipe"}
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    make_fifo(folder, "train", 0)
    threading.Thread(target=feed, args=(tmp_path / "plans" / "train.json", folder, range(20)), daemon=True).start()

    assert tree.train(train) == 0

    assert accuracy(tree, features(seed=1), positive(features(seed=1))) > 0.9
