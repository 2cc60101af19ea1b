"""Whole K-Means jobs on small data, and every way to fail."""

import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salvia_algorithms.first_party import ndarray
from salvia_algorithms.kmeans import model
from salvia_algorithms.kmeans.nearest import Floats, Nearest
from salvia_algorithms.kmeans.train import train
from salvia_container.failure import UserError
from tests.salvia_algorithms.first_party.tree import Tree, train_together
from tests.salvia_algorithms.kmeans.test_engine import blobs, msd
from tests.salvia_algorithms.tree import as_csv

UNLABELLED = "text/csv;label_size=0"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", {"feature_dim": "5", "k": "8"})


def centers(tree: Tree) -> Floats:
    return model.load(tree.base / "model")


def test_the_model_is_one_mxnet_array_of_centers(tree: Tree) -> None:
    rows, true = blobs()
    tree.arrays("train", rows)

    assert tree.train(train) == 0, tree.failure
    arrays = ndarray.read(tree.model.read_bytes())
    assert list(arrays) == ["0"]
    assert arrays["0"].shape == (8, 5)
    assert msd(rows, arrays["0"].astype(np.float32)) <= 1.02 * msd(rows, true)


def test_the_same_job_gives_the_same_model(tree: Tree) -> None:
    tree.arrays("train", blobs()[0])
    models = []
    for _ in range(2):
        assert tree.train(train) == 0
        models.append(tree.model.read_bytes())

    assert models[0] == models[1]


def test_csv_and_recordio_give_the_same_model(tree: Tree) -> None:
    rows = np.round(blobs()[0], 2)
    tree.arrays("train", rows)
    assert tree.train(train) == 0
    first = centers(tree)
    tree.channel("train", as_csv(rows.tolist()), UNLABELLED)

    assert tree.train(train) == 0, tree.failure
    assert centers(tree) == pytest.approx(first, abs=1e-4)


def test_the_log_says_what_aws_says(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"eval_metrics": '["msd", "ssd"]'}
    tree.arrays("train", blobs()[0])
    tree.arrays("test", blobs()[0][:100])
    assert tree.train(train) == 0
    log = capsys.readouterr().out

    for line in (
        "'extra_center_factor' was set to 'auto', evaluated to 10.",
        "Batch size 5000 is bigger than the first batch data. Effective batch size used to initialize is 3000",
        "processed a total of 3000 examples",
        "#progress_metric: host=algo-1, completed 100.0 % of epochs",
        "shrinking 80 centers into 8",
        "local kmeans attempt #9. Current mean square distance",
        "#quality_metric: host=algo-1, train msd <loss>=",
        '"Algorithm": "AWS/KMeansWebscale"',
    ):
        assert line in log
    found = {name: float(value) for name, value in re.findall(r"host=\S+, test (\S+) <loss>=(\S+)", log)}
    assert found["msd"] == pytest.approx(msd(blobs()[0][:100], centers(tree)), rel=1e-5)
    assert found["ssd"] == pytest.approx(100 * found["msd"])


def test_without_test_data_the_log_says_so(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.arrays("train", blobs()[0])
    assert tree.train(train) == 0

    assert "Test data is not provided." in capsys.readouterr().out


def test_more_epochs_do_not_make_it_worse(tree: Tree) -> None:
    rows, true = blobs()
    tree.hyperparameters |= {"epochs": "3", "mini_batch_size": "300", "init_method": "kmeans++"}
    tree.arrays("train", rows)

    assert tree.train(train) == 0
    assert msd(rows, centers(tree)) <= 1.02 * msd(rows, true)


def test_centers_can_be_shrunk_otherwise_without_another_pass(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.checkpoints = True
    tree.arrays("train", blobs()[0])
    assert tree.train(train) == 0
    tree.hyperparameters["local_lloyd_num_trials"] = "2"
    capsys.readouterr()

    assert tree.train(train) == 0

    log = capsys.readouterr().out
    assert "processed a total of" not in log
    assert log.count("local kmeans attempt") == 2


def test_several_hosts_find_one_model_as_good_as_that_of_one(tmp_path: Path) -> None:
    rows, true = blobs()
    hosts = ("127.0.41.1", "127.0.41.2")
    trees = [
        Tree(tmp_path / host, {"feature_dim": "5", "k": "8"}, hosts=hosts, current_host=host, job=uuid.uuid4().hex)
        for host in hosts
    ]
    for place, tree in enumerate(trees):
        tree.job = trees[0].job
        order = np.argsort(Nearest(true).places(rows), kind="stable")  # no host sees all clusters
        tree.arrays("train", rows[order[place * 1500 : (place + 1) * 1500]], S3DistributionType="ShardedByS3Key")

    assert train_together(trees, train) == [0, 0]
    assert [tree.model.exists() for tree in trees] == [True, False]
    assert msd(rows, centers(trees[0])) <= 1.02 * msd(rows, true)


def test_fewer_different_rows_than_centers_give_repeated_centers(tree: Tree) -> None:
    tree.arrays("train", np.repeat(np.eye(5, dtype=np.float32)[:3], 20, axis=0))

    assert tree.train(train) == 0, tree.failure
    assert len(np.unique(centers(tree), axis=0)) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"k": None}, "No value(s) were specified for 'k' which are required hyperparameter(s)"),
        ({"k": "0"}, "'0' is not valid under any of the given schemas"),
        ({"k": "many"}, "'many' is not valid under any of the given schemas"),
        ({"k": "61"}, "k is 61, but there are only 60 records"),
        ({"eval_metrics": '["mad"]'}, "'[\"mad\"]' is not valid under any of the given schemas"),
        ({"local_lloyd_tol": "2"}, "'2' is not valid under any of the given schemas"),
        ({"init_method": "best"}, "'best' is not valid under any of the given schemas"),
        ({"clusters": "3"}, "Additional properties are not allowed ('clusters' was unexpected)"),
        ({"feature_dim": "4"}, "rows with 5 features, but feature_dim is 4"),
    ],
)
def test_a_wrong_hyperparameter_is_named(tree: Tree, changes: dict[str, Any], reason: str) -> None:
    tree.hyperparameters = {
        name: value for name, value in (tree.hyperparameters | changes).items() if value is not None
    }
    tree.arrays("train", blobs(60)[0])

    assert tree.train(train) == 2
    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


def test_an_empty_channel_is_told_in_aws_words(tree: Tree) -> None:
    tree.channel("train", "", UNLABELLED)

    assert tree.train(train) == 2
    assert "No training data processed. Either the training channel is empty" in tree.failure


def test_a_missing_channel_is_told(tree: Tree) -> None:
    assert tree.train(train) == 2
    assert "'train' is a required property" in tree.failure


def test_text_among_numbers_is_told_with_its_place(tree: Tree) -> None:
    tree.channel("train", "1,2,3,4,5\n1,2,x,4,5\n", UNLABELLED)

    assert tree.train(train) == 2
    assert "row 2, column 3: 'x' is not a number" in tree.failure


def test_a_nan_is_told_with_its_place(tree: Tree) -> None:
    rows = blobs(60)[0]
    rows[7, 2] = np.nan
    tree.arrays("train", rows)

    assert tree.train(train) == 2
    assert "Feature 3 of row 8" in tree.failure


@pytest.mark.parametrize("content", [b"", b"{}", ndarray.write([]), ndarray.write([np.zeros(3, np.float32)])])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / model.MODEL_NAME).write_bytes(content)

    with pytest.raises(UserError, match="model of K-Means"):
        model.load(tmp_path)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file model_algo-1"):
        model.load(tmp_path)
