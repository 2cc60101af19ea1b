"""Everything that a user can do wrong is told in the FailureReason, by every one of AWS's own algorithms alike."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from salvia_algorithms.factorization_machines.train import train as factorization_machines
from salvia_algorithms.kmeans.train import train as k_means
from salvia_algorithms.knn.train import train as neighbours
from salvia_algorithms.linear_learner.train import train as linear_learner
from salvia_algorithms.pca.train import train as pca
from salvia_algorithms.randomcutforest.train import train as random_cut_forest
from salvia_container import recordio
from tests.salvia_algorithms.first_party.tree import RECORDIO, Tree, train_together
from tests.salvia_algorithms.tree import Train

SHARDED = {"S3DistributionType": "ShardedByS3Key"}
FEATURES = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
LABEL = (FEATURES[:, 0] > 0).astype(np.float32)
RECORDS = recordio.write_dense(FEATURES, LABEL)


@dataclass(frozen=True)
class Algorithm:
    """`given` are right hyperparameters, the first of them required; `judged` is the channel that models are judged by."""

    train: Train
    given: dict[str, str]
    judged: str = "test"
    csv: bool = True


ALGORITHMS = {
    "linear learner": Algorithm(
        linear_learner, {"predictor_type": "binary_classifier", "num_models": "1", "epochs": "1"}, "validation"
    ),
    "factorization machines": Algorithm(
        factorization_machines,
        {"feature_dim": "3", "num_factors": "2", "predictor_type": "regressor", "epochs": "1"},
        csv=False,
    ),
    "k-means": Algorithm(k_means, {"k": "2", "feature_dim": "3"}),
    "pca": Algorithm(pca, {"num_components": "2", "feature_dim": "3", "mini_batch_size": "20"}),
    "random cut forest": Algorithm(
        random_cut_forest, {"feature_dim": "3", "num_trees": "50", "num_samples_per_tree": "1"}
    ),
    "k-nn": Algorithm(neighbours, {"k": "3", "feature_dim": "3", "sample_size": "60", "predictor_type": "classifier"}),
}
ALL = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
Spoil = Callable[[Tree, Algorithm], None]


def records(content: bytes) -> Spoil:
    return lambda tree, _: tree.channel("train", content, RECORDIO, **SHARDED)


def changed(**hyperparameters: str) -> Spoil:
    return lambda tree, _: tree.hyperparameters.update(hyperparameters)


def without_channel(tree: Tree, algorithm: Algorithm) -> None:
    del tree.channels["train"]


def without_hyperparameter(tree: Tree, algorithm: Algorithm) -> None:
    del tree.hyperparameters[next(iter(algorithm.given))]


def broken(row: int, column: int, value: float) -> bytes:
    features = FEATURES.copy()
    features[row, column] = value
    return recordio.write_dense(features, LABEL)


NOT_READ = "Unable to read data channel 'train'. Requested content-type is 'application/x-recordio-protobuf'."
WRONG: dict[str, tuple[Spoil, str]] = {
    "a missing hyperparameter": (without_hyperparameter, "which are required hyperparameter(s)"),
    "an unknown one": (changed(depth="3"), "Additional hyperparameters are not allowed ('depth' was unexpected)"),
    "a value that is no number": (
        changed(mini_batch_size="many"),
        "'many' is not valid under any of the given schemas",
    ),
    "a value out of range": (changed(mini_batch_size="0"), "'0' is not valid under any of the given schemas"),
    "another width": (changed(feature_dim="4"), "rows with 3 features, but feature_dim is 4"),
    "a missing channel": (without_channel, "'train' is a required property"),
    "an unknown channel": (
        lambda tree, _: tree.channel("extra", RECORDS, RECORDIO),
        "Additional properties are not allowed ('extra' was unexpected)",
    ),
    "another content type": (
        lambda tree, _: tree.channel("train", RECORDS, "application/jsonlines", **SHARDED),
        "No iterator has been registered for ContentType ('application/jsonlines', '1.0')",
    ),
    "an empty channel": (records(b""), "No training data processed. Either the training channel is empty"),
    "what is no recordio": (records(b"1,2,3\n4,5,6\n"), NOT_READ),
    "torn recordio": (records(RECORDS[:-5]), NOT_READ),
    "a NaN": (records(broken(7, 2, np.nan)), "Feature 3 of row 8"),
    "an infinite number": (records(broken(0, 0, np.inf)), "Feature 1 of row 1"),
}
WRONG_TEXT: dict[str, tuple[str, str]] = {
    "text among numbers": ("1,2,3,4\n1,2,x,4\n", "row 2, column 3: 'x' is not a number"),
    "a header": ("y,a,b,c\n1,2,3,4\n", "seems to have a header row"),
    "a row that is too short": ("1,2,3,4\n1,2,3\n", "row 2 has 3 columns, row 1 has 4"),
    "a missing value": ("1,2,3,4\n1,2,,4\n", "Feature 2 of row 2"),
}


def tree_of(folder: Path, algorithm: Algorithm) -> Tree:
    tree = Tree(folder, dict(algorithm.given))
    tree.channel("train", RECORDS, RECORDIO, **SHARDED)
    return tree


@ALL
def test_a_right_job_succeeds(tmp_path: Path, algorithm: Algorithm) -> None:
    tree = tree_of(tmp_path, algorithm)

    assert tree.train(algorithm.train) == 0, tree.failure


@ALL
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_the_reason(tmp_path: Path, algorithm: Algorithm, wrong: str) -> None:
    spoil, reason = WRONG[wrong]
    tree = tree_of(tmp_path, algorithm)
    spoil(tree, algorithm)

    assert tree.train(algorithm.train) == 2
    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure
    assert "Traceback" not in tree.failure


@pytest.mark.parametrize("wrong", WRONG_TEXT)
@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.csv])
def test_what_is_wrong_in_a_csv_is_named_with_its_place(tmp_path: Path, name: str, wrong: str) -> None:
    content, reason = WRONG_TEXT[wrong]
    tree = tree_of(tmp_path, ALGORITHMS[name])
    tree.channel("train", content, **SHARDED)

    assert tree.train(ALGORITHMS[name].train) == 2
    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


@ALL
@pytest.mark.parametrize("content", [b"", broken(3, 1, np.nan)], ids=["empty", "broken"])
def test_the_channel_that_judges_is_looked_at_as_closely(tmp_path: Path, algorithm: Algorithm, content: bytes) -> None:
    tree = tree_of(tmp_path, algorithm)
    tree.channel(algorithm.judged, content, RECORDIO)

    assert tree.train(algorithm.train) == 2
    assert tree.failure.startswith("ClientError: ")
    assert ("Feature 2 of row 4" if content else algorithm.judged) in tree.failure


@ALL
def test_one_empty_shard_fails_the_job_with_the_reason(tmp_path: Path, algorithm: Algorithm) -> None:
    hosts, job = ("127.0.77.1", "127.0.77.2"), uuid.uuid4().hex
    trees = [Tree(tmp_path / host, dict(algorithm.given), hosts=hosts, current_host=host, job=job) for host in hosts]
    for tree, content in zip(trees, (RECORDS, b""), strict=True):
        tree.channel("train", content, RECORDIO, **SHARDED)

    assert 0 not in train_together(trees, algorithm.train)
    assert trees[1].failure.startswith("ClientError: No training data processed.")
