"""What jobs hold of data that are larger than their instance's memory: no more than the algorithm needs."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from salvia_algorithms.factorization_machines.train import train as factorization_machines
from salvia_algorithms.files import DataFile
from salvia_algorithms.first_party import source
from salvia_algorithms.kmeans.train import train as k_means
from salvia_algorithms.knn.train import train as neighbours
from salvia_algorithms.linear_learner import curve
from salvia_algorithms.linear_learner.train import train as linear_learner
from salvia_algorithms.pca.train import train as pca
from salvia_algorithms.randomcutforest.train import train as random_cut_forest
from tests.salvia_algorithms.first_party.tree import Tree
from tests.salvia_algorithms.tree import Train

ROWS, FEATURES = 12_000, 50
INSTANCE = 900 << 10
TWICE = {"epochs": "2"}


@pytest.mark.parametrize(
    ("train", "given"),
    [
        (
            linear_learner,
            {"predictor_type": "binary_classifier", "num_models": "1", "num_point_for_scaler": "500", **TWICE},
        ),
        (factorization_machines, {"predictor_type": "regressor", "num_factors": "2", **TWICE}),
        (k_means, {"k": "3", **TWICE}),
        (pca, {"num_components": "2"}),
        (random_cut_forest, {"num_trees": "50", "num_samples_per_tree": "10"}),
        (neighbours, {"k": "3", "sample_size": "500", "predictor_type": "classifier"}),
    ],
)
def test_a_job_on_data_larger_than_its_instance_stays_within_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Train, given: dict[str, str]
) -> None:
    monkeypatch.setenv("SM_MEMORY_BYTES", str(INSTANCE))
    monkeypatch.setattr(source, "BLOCK_BYTES", 32 << 10)
    monkeypatch.setattr(curve, "_TOGETHER", 1000)
    monkeypatch.setattr(curve, "MOST_SCORES", 1000)
    monkeypatch.setattr(DataFile, "buffer", None)  # a mapped file would count as the instance's memory, too
    tree = Tree(tmp_path, {"feature_dim": str(FEATURES), "mini_batch_size": "200", **given}, checkpoints=True)
    rows = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype(np.float32)
    tree.arrays("train", rows, (rows[:, 0] > 0).astype(np.float32), S3DistributionType="ShardedByS3Key")

    tracemalloc.start()
    try:
        assert tree.train(train) == 0, tree.failure
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert rows.nbytes > 2.5 * INSTANCE
    assert peak < INSTANCE
