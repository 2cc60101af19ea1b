"""Whole Random Cut Forest jobs on small data, sampling, and every way to fail."""

import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.sampling import Reservoir, gather
from salvia_algorithms.randomcutforest import model, scoring
from salvia_algorithms.randomcutforest.train import train
from salvia_algorithms.randomcutforest.trees import Floats
from tests.salvia_algorithms.first_party.tree import Tree, train_together
from tests.salvia_algorithms.tree import as_csv

SHARDED = "ShardedByS3Key"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", {"feature_dim": "2", "num_trees": "50", "num_samples_per_tree": "40"})


def rows(count: int = 3000) -> Floats:
    return np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)


def labelled() -> tuple[Floats, Floats]:
    strange = np.full((5, 2), 9, np.float32)
    return np.concatenate([rows(200), strange]), np.repeat([0, 1], [200, 5]).astype(np.float32)


def test_a_job_leaves_a_forest_and_says_what_aws_says(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.arrays("train", rows(), S3DistributionType=SHARDED)
    assert tree.train(train) == 0, tree.failure
    log = capsys.readouterr().out

    assert model.load(tree.base / "model").points.shape == (50, 40, 2)
    for line in (
        "Hyperparameters are correct.",
        "feature_dim is correct.",
        "Memory limits validated.",
        "Sampling training data completed.",
        "#progress_metric: host=algo-1, completed 100",
        "2000 samples gathered",
        "ForestInfo{num_trees: 50, num_samples_in_forest: 2000, num_samples_per_tree: 40,",
        "Master node: Serializing the RandomCutForest model",
        '"Algorithm": "RandomCutForest"',
        "Test data is not provided.",
    ):
        assert line in log


def test_labelled_test_data_are_judged_at_three_sigma(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.arrays("train", rows(), S3DistributionType=SHARDED)
    tree.arrays("test", *labelled())
    assert tree.train(train) == 0, tree.failure
    found = dict(re.findall(r"#quality_metric: host=\S+, test (\S+) <score>=(\S+)", capsys.readouterr().out))

    assert set(found) == {"accuracy", "precision", "recall", "f1"}
    assert float(found["recall"]) == 1.0
    assert float(found["f1"]) > 0.8


def test_csv_gives_the_same_forest(tree: Tree) -> None:
    data = np.round(rows(), 3)
    tree.arrays("train", data, S3DistributionType=SHARDED)
    assert tree.train(train) == 0
    one = model.load(tree.base / "model")
    tree.channel("train", as_csv(data.tolist()), "text/csv;label_size=0", S3DistributionType=SHARDED)

    assert tree.train(train) == 0, tree.failure
    assert (model.load(tree.base / "model").mass == one.mass).all()


def test_metrics_are_those_of_the_definition() -> None:
    scores = np.array([1] * 98 + [9, 9], np.float32)
    label = np.array([0] * 97 + [1, 1, 1], np.float32)

    found = scoring.evaluate(scores, label, ["accuracy", "precision_recall_fscore"])

    assert found == pytest.approx({"accuracy": 0.99, "precision": 1, "recall": 2 / 3, "f1": 0.8})
    assert scoring.evaluate(scores, np.zeros(100, np.float32), ["precision_recall_fscore"])["f1"] == 0


def test_a_reservoir_keeps_every_row_with_the_same_chance() -> None:
    kept: Counter[float] = Counter()
    for seed in range(300):
        reservoir = Reservoir(20, 1, np.random.default_rng(seed))
        for start in (0, 7, 30, 60):
            end = {0: 7, 7: 30, 30: 60, 60: 100}[start]
            reservoir.add(np.arange(start, end, dtype=np.float32).reshape(-1, 1))
        kept.update(reservoir.rows[:, 0].tolist())

    assert sum(kept.values()) == 300 * 20
    assert set(kept) == set(map(float, range(100)))
    assert max(kept.values()) < 2 * 60
    assert min(kept.values()) > 60 / 2


def test_hosts_give_in_proportion_to_what_they_saw() -> None:
    class TwoHosts(Collective):
        def all(self, value: Any) -> list[Any]:
            return [9000, 1000]

    reservoir = Reservoir(500, 1, np.random.default_rng(0))
    for _ in range(9):
        reservoir.add(np.ones((1000, 1), np.float32))
    sample = gather(reservoir, 500, TwoHosts(), seed=0)

    assert len(sample) == 500
    assert sample.sum() == pytest.approx(450, abs=30)


def test_several_hosts_grow_one_forest(tmp_path: Path) -> None:
    hosts = ("127.0.42.1", "127.0.42.2")
    job = uuid.uuid4().hex
    trees = [
        Tree(tmp_path / host, {"feature_dim": "2", "num_trees": "50"}, hosts=hosts, current_host=host, job=job)
        for host in hosts
    ]
    for place, tree in enumerate(trees):
        tree.arrays("train", rows(1000) + 100 * place, S3DistributionType=SHARDED)

    assert train_together(trees, train) == [0, 0], [tree.failure for tree in trees]
    points = model.load(tmp_path / hosts[0] / "model").points
    assert points.shape == (50, 40, 2)
    assert (points[:, :, 0] > 50).mean() == pytest.approx(0.5)
    assert not trees[1].model.exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"feature_dim": None}, "No value(s) were specified for 'feature_dim' which are required hyperparameter(s)"),
        ({"feature_dim": "10001"}, "'10001' is not valid under any of the given schemas"),
        ({"num_trees": "49"}, "'49' is not valid under any of the given schemas"),
        ({"num_samples_per_tree": "2049"}, "'2049' is not valid under any of the given schemas"),
        ({"eval_metrics": '["f1"]'}, "'[\"f1\"]' is not valid under any of the given schemas"),
        ({"shingle_size": "8"}, "Additional properties are not allowed ('shingle_size' was unexpected)"),
        ({"feature_dim": "3"}, "rows with 2 features, but feature_dim is 3"),
        ({"num_trees": "500"}, "There are 400 training records for 500 trees"),
    ],
)
def test_a_wrong_hyperparameter_is_named(tree: Tree, changes: dict[str, Any], reason: str) -> None:
    tree.hyperparameters = {
        name: value for name, value in (tree.hyperparameters | changes).items() if value is not None
    }
    tree.arrays("train", rows(400), S3DistributionType=SHARDED)

    assert tree.train(train) == 2
    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


def test_training_data_must_be_sharded(tree: Tree) -> None:
    tree.arrays("train", rows())

    assert tree.train(train) == 2
    assert "'FullyReplicated' is not one of ['ShardedByS3Key']" in tree.failure


def test_a_forest_that_does_not_fit_the_instance_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_MEMORY_BYTES", str(1 << 30))
    tree.hyperparameters |= {"feature_dim": "10000", "num_trees": "1000", "num_samples_per_tree": "2048"}
    tree.arrays("train", rows(), S3DistributionType=SHARDED)

    assert tree.train(train) == 2
    assert "Insufficient memory: the sample needs 81920000000 bytes" in tree.failure


def test_test_data_without_labels_are_refused(tree: Tree) -> None:
    tree.arrays("train", rows(), S3DistributionType=SHARDED)
    tree.arrays("test", rows(100))

    assert tree.train(train) == 2
    assert "The test channel has no labels" in tree.failure


def test_an_empty_shard_is_told_in_aws_words(tree: Tree) -> None:
    tree.channel("train", "", "text/csv;label_size=0", S3DistributionType=SHARDED)

    assert tree.train(train) == 2
    assert "No training data processed." in tree.failure
