"""Interrupted jobs of AWS's own algorithms go on after their last whole epoch, and end with the model they would have had."""

import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salvia_algorithms.factorization_machines.train import train as factorization_machines
from salvia_algorithms.first_party.checkpoint import Checkpoint
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.kmeans.train import train as k_means
from salvia_algorithms.linear_learner.train import train as linear_learner
from tests.salvia_algorithms.first_party.tree import Tree, train_together
from tests.salvia_algorithms.tree import Train

FEATURES = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
EPOCHS, LAST = 4, 1  # of a job; the last whole one of a job that is interrupted


@dataclass(frozen=True)
class Algorithm:
    """`given` are right hyperparameters; `changed` are others of which the model is another."""

    train: Train
    given: dict[str, str]
    changed: dict[str, str]
    file: str


ALGORITHMS = {
    "linear learner": Algorithm(
        linear_learner,
        {"predictor_type": "binary_classifier", "num_models": "2", "num_point_for_scaler": "100"},
        {"learning_rate": "0.5"},
        "linear-learner-checkpoint.npz",
    ),
    "factorization machines": Algorithm(
        factorization_machines,
        {"feature_dim": "3", "num_factors": "2", "predictor_type": "regressor"},
        {"linear_lr": "0.5"},
        "factorization-machines-checkpoint.npz",
    ),
    "k-means": Algorithm(
        k_means,
        {"k": "4", "feature_dim": "3", "half_life_time_size": "100"},
        {"half_life_time_size": "0"},
        "kmeans-algo-1-checkpoint.npz",
    ),
}
ALL = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)


def tree_of(folder: Path, algorithm: Algorithm, **changes: Any) -> Tree:
    given = {"epochs": str(EPOCHS), "mini_batch_size": "50", **algorithm.given}
    tree = Tree(folder, given, checkpoints=True, **changes)
    fill(tree, FEATURES)
    return tree


def fill(tree: Tree, features: Any) -> None:
    tree.arrays("train", features, (features[:, 0] > 0).astype(np.float32), S3DistributionType="ShardedByS3Key")


def files(tree: Tree) -> dict[str, bytes]:
    """What a model consists of."""
    if not zipfile.is_zipfile(tree.model):
        return {"": tree.model.read_bytes()}
    with zipfile.ZipFile(tree.model) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def interrupted(job: Callable[[], Any]) -> None:
    """Runs a job whose processes go as soon as their epoch LAST is over."""
    save = Checkpoint.save

    def saved(self: Checkpoint, epoch: int, *known: Mapping[str, Any]) -> None:
        save(self, epoch, *known)
        if epoch == LAST:
            raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", saved)
        assert job() not in (0, [0, 0])


@ALL
def test_an_interrupted_job_ends_with_the_model_it_would_have_had(
    tmp_path: Path, algorithm: Algorithm, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, tree = tree_of(tmp_path / "whole", algorithm), tree_of(tmp_path / "ml", algorithm)
    assert whole.train(algorithm.train) == 0
    interrupted(lambda: tree.train(algorithm.train))
    capsys.readouterr()

    assert tree.train(algorithm.train) == 0, tree.failure

    log = capsys.readouterr().out
    assert f"going on with epoch {LAST + 1}" in log
    assert log.count("#progress_metric") == EPOCHS - LAST - 1
    assert files(tree) == files(whole)


@ALL
def test_a_job_interrupted_after_its_last_epoch_only_finishes(
    tmp_path: Path, algorithm: Algorithm, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tree_of(tmp_path, algorithm)
    assert tree.train(algorithm.train) == 0
    before = files(tree)
    capsys.readouterr()

    assert tree.train(algorithm.train) == 0

    assert "#progress_metric" not in capsys.readouterr().out
    assert files(tree) == before


@ALL
def test_interrupted_instances_go_on_together(tmp_path: Path, algorithm: Algorithm) -> None:
    hosts, job = ("127.0.78.1", "127.0.78.2"), uuid.uuid4().hex
    jobs = [
        [tree_of(tmp_path / run / host, algorithm, hosts=hosts, current_host=host, job=job) for host in hosts]
        for run in ("whole", "ml")
    ]
    for trees in jobs:
        for place, tree in enumerate(trees):
            fill(tree, FEATURES[place * 150 : 150 + place * 250])
    whole, trees = jobs
    assert train_together(whole, algorithm.train) == [0, 0]
    interrupted(lambda: train_together(trees, algorithm.train))
    kept = [path for tree in trees for path in (tree.base / "checkpoints").glob("*")]
    for tree in trees:  # the folders of both go to one place in S3, and come back from there
        (tree.base / "checkpoints").mkdir(exist_ok=True)
        for path in kept:
            (tree.base / "checkpoints" / path.name).write_bytes(path.read_bytes())

    assert train_together(trees, algorithm.train) == [0, 0]

    assert len({path.name for path in kept}) == len(kept)
    assert files(trees[0]) == files(whole[0])


@pytest.mark.parametrize("changed", ["hyperparameters", "rows", "names", "epochs"])
@ALL
def test_a_checkpoint_of_another_job_is_not_used(
    tmp_path: Path, algorithm: Algorithm, changed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, fresh = tree_of(tmp_path / "ml", algorithm), tree_of(tmp_path / "fresh", algorithm)
    interrupted(lambda: tree.train(algorithm.train))
    for one in (tree, fresh):
        if changed == "hyperparameters":
            one.hyperparameters |= algorithm.changed
        elif changed == "rows":
            fill(one, -FEATURES)
        elif changed == "epochs":
            one.hyperparameters["epochs"] = str(LAST)
        else:
            data = one.base / "input" / "data" / "train"
            (data / "data").rename(data / "other")
    capsys.readouterr()

    assert (tree.train(algorithm.train), fresh.train(algorithm.train)) == (0, 0)

    reason = f"is of more than {LAST} epoch(s)" if changed == "epochs" else "is of other hyperparameters or data"
    assert f"{reason} and is not used." in capsys.readouterr().out
    assert files(tree) == files(fresh)


@ALL
def test_a_checkpoint_that_cannot_be_read_is_not_used(
    tmp_path: Path, algorithm: Algorithm, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tree_of(tmp_path, algorithm)
    assert tree.train(algorithm.train) == 0
    before = files(tree)
    path = tree.base / "checkpoints" / algorithm.file
    path.write_bytes(path.read_bytes()[:-9])

    assert tree.train(algorithm.train) == 0, tree.failure

    assert f"The checkpoint {path} cannot be read and is not used" in capsys.readouterr().out
    assert files(tree) == before


def test_no_damage_to_a_checkpoint_stops_a_job(tmp_path: Path) -> None:
    tree = Tree(tmp_path, checkpoints=True)
    one = Checkpoint(tree.environment(), "x", Collective(), ())
    one.save(0, {"many": np.arange(20.0)}, {})
    (path,) = (tmp_path / "checkpoints").iterdir()
    content = path.read_bytes()
    random = np.random.default_rng(0)
    damaged = [b"", b"PK", b"{}", content[: len(content) // 2]]
    for _ in range(100):
        place = random.integers(0, len(content))
        damaged.append(content[:place] + random.bytes(3) + content[place + 3 :])

    for wrong in damaged:
        path.write_bytes(wrong)
        found = one.restored(1)
        assert found is None or found.arrays["many"].tolist() == list(range(20))


def test_a_save_that_is_broken_off_leaves_the_one_before(tmp_path: Path) -> None:
    one = Checkpoint(Tree(tmp_path, checkpoints=True).environment(), "x", Collective(), ())
    one.save(0, {"many": np.arange(3)}, {"few": 1})
    (tmp_path / "checkpoints" / ".x-checkpoint.npz").write_bytes(b"PK")

    found = one.restored(2)

    assert found is not None
    assert (found.epoch, found.arrays["many"].tolist(), found.state) == (0, [0, 1, 2], {"few": 1})


@ALL
def test_without_a_checkpoint_config_nothing_is_kept(tmp_path: Path, algorithm: Algorithm) -> None:
    tree = tree_of(tmp_path, algorithm)
    tree.checkpoints = False

    assert tree.train(algorithm.train) == 0

    assert not (tmp_path / "checkpoints").exists()
