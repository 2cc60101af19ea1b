"""The forest: how trees are grown, what they score, and how it is kept."""

import math
from pathlib import Path

import numpy as np
import pytest

from salvia_algorithms.randomcutforest import model
from salvia_algorithms.randomcutforest.forest import Forest
from salvia_algorithms.randomcutforest.trees import Floats
from salvia_container.failure import UserError


def rows(count: int = 4000, features: int = 3) -> Floats:
    return np.random.default_rng(0).normal(size=(count, features)).astype(np.float32)


def forest(sample: Floats, trees: int = 50, size: int = 64, seed: int = 0) -> Forest:
    return Forest.grow(sample, num_trees=trees, samples_per_tree=size, seed=seed)


def score_plainly(grown: Forest, row: Floats) -> float:
    """AWS's formula, read literally: recursion over nodes, boxes measured anew from their points."""

    def visit(tree: int, node: int, start: int, depth: int) -> tuple[float, bool]:
        points = grown.points[tree, start : start + grown.mass[tree, node]].astype(np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        outside = float((np.maximum(low - row, 0) + np.maximum(row - high, 0)).sum())
        mass = len(points)
        if grown.cut_dim[tree, node] < 0:
            if outside == 0:
                whole = grown.mass[tree, 0]
                return (1 - mass / (2 * whole)) / (depth + math.log2(mass + 1)), True
            return 1 / (depth + 1), False
        right = int(grown.right[tree, node])
        left_mass = int(grown.mass[tree, node + 1])
        if row[grown.cut_dim[tree, node]] > grown.cut_value[tree, node]:
            below, inside = visit(tree, right, start + left_mass, depth + 1)
        else:
            below, inside = visit(tree, node + 1, start, depth + 1)
        if inside or outside == 0:
            return below, True
        parts = outside / (outside + float((high - low).sum()))
        return parts / (depth + 1) + (1 - parts) * below, False

    trees = len(grown.points)
    return sum(visit(tree, 0, 0, 0)[0] * math.log2(grown.points.shape[1] + 1) for tree in range(trees)) / trees


def test_scores_are_those_of_aws_open_algorithm() -> None:
    grown = forest(rows())
    asked = np.concatenate([rows(10) * 2, grown.points[0, :3]])

    assert grown.score(asked).tolist() == pytest.approx([score_plainly(grown, row) for row in asked], rel=1e-4)


def test_repeated_points_share_a_leaf_and_score_low() -> None:
    sample = np.concatenate([np.zeros((3000, 3), np.float32), rows(1000)])
    grown = forest(sample)

    assert grown.mass.max() == 64
    assert (grown.mass * (grown.cut_dim < 0)).max() > 30
    assert grown.score(np.zeros((1, 3), np.float32))[0] == pytest.approx(
        score_plainly(grown, np.zeros(3, np.float32)), rel=1e-4
    )
    assert grown.score(np.zeros((1, 3), np.float32))[0] < grown.score(rows(100)).min()


def test_what_is_far_away_scores_high() -> None:
    grown = forest(rows())
    common = grown.score(rows(500))

    assert grown.score(np.full((1, 3), 8, np.float32))[0] > common.mean() + 3 * common.std()


def test_each_row_is_in_at_most_one_tree() -> None:
    sample = np.arange(4000, dtype=np.float32).reshape(-1, 1)
    grown = forest(sample)

    assert len(np.unique(grown.points)) == 50 * 64


def test_short_data_are_shared_out_among_the_trees() -> None:
    assert forest(rows(4032), trees=50, size=512).points.shape == (50, 80, 3)
    assert forest(rows(50), trees=50, size=512).points.shape == (50, 1, 3)


def test_every_cut_parts_the_points_of_its_node() -> None:
    grown = forest(rows(features=7))
    for tree in range(5):
        inner = np.flatnonzero(grown.cut_dim[tree] >= 0)
        start = {0: 0}
        for node in inner:
            left, right = node + 1, int(grown.right[tree, node])
            begin, split = start[int(node)], start[int(node)] + int(grown.mass[tree, left])
            start |= {int(left): begin, right: split}
            points = grown.points[tree][:, grown.cut_dim[tree, node]]
            assert points[begin:split].max() <= grown.cut_value[tree, node]
            assert points[split : split + grown.mass[tree, right]].min() > grown.cut_value[tree, node]
            assert grown.mass[tree, node] == grown.mass[tree, left] + grown.mass[tree, right]


def test_cuts_fall_in_proportion_to_the_sides() -> None:
    sample = np.random.default_rng(0).uniform(size=(20000, 2)).astype(np.float32) * np.array([3, 1], np.float32)
    roots = forest(sample, trees=1000, size=20).cut_dim[:, 0]

    assert (roots == 0).mean() == pytest.approx(0.75, abs=0.05)


def test_the_same_seed_gives_the_same_forest_and_another_does_not() -> None:
    one, same, other = (forest(rows(), seed=seed) for seed in (1, 1, 2))

    assert (one.cut_value == same.cut_value).all()
    assert (one.cut_value != other.cut_value).any()


def test_threads_change_no_score() -> None:
    grown = forest(rows())

    assert (grown.score(rows(2000), threads=4) == grown.score(rows(2000))).all()


def test_numbers_next_to_each_other_are_parted() -> None:
    sample = np.nextafter(np.float32(1e8), np.float32(np.inf)) * np.ones((100, 1), np.float32)
    sample[::2] = 1e8
    grown = forest(sample, trees=50, size=2)

    assert np.isfinite(grown.score(sample)).all()


def test_a_forest_is_described_as_in_aws_log() -> None:
    described = forest(rows(4032, 1), trees=50, size=512).describe()

    assert described.startswith(
        "ForestInfo{num_trees: 50, num_samples_in_forest: 4000, num_samples_per_tree: 80, sample_dim: 1, shingle_size: 1, "
        "trees_num_nodes: [159, "
    )
    assert "max_num_nodes: 159, min_num_nodes: 159, avg_num_nodes: 159, max_tree_depth: " in described


def test_a_forest_is_kept_and_found_again(tmp_path: Path) -> None:
    grown = forest(rows())
    model.save(grown, tmp_path)

    assert (model.load(tmp_path).score(rows(100)) == grown.score(rows(100))).all()


def test_a_forest_that_would_lead_out_of_its_arrays_is_refused(tmp_path: Path) -> None:
    for name, place, value in (
        ("right", (3, 0), 10**6),
        ("right", (3, 0), 0),
        ("cut_dim", (0, 0), 7),
        ("mass", (0, 0), 0),
        ("mass", (0, 4), -5),
    ):
        grown = forest(rows())
        getattr(grown, name)[place] = value
        model.save(grown, tmp_path)

        with pytest.raises(UserError, match="do not fit together"):
            model.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x93NUMPY"])
def test_what_is_no_forest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / model.MODEL_NAME).write_bytes(content)

    with pytest.raises(UserError, match="not a model of Random Cut Forest"):
        model.load(tmp_path)
