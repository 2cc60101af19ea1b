"""The engine of K-Means: nearest centres, seeds, the stream, and Lloyd's algorithm on weighted rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from salvia_algorithms.kmeans import seeding
from salvia_algorithms.kmeans.lloyd import Plan, shrink
from salvia_algorithms.kmeans.nearest import Floats, Nearest, sums
from salvia_algorithms.kmeans.streaming import Stream


def blobs(count: int = 3000, k: int = 8, features: int = 5, spread: float = 0.1) -> tuple[Floats, Floats]:
    """Rows around k centres that are far from each other, and these centres."""
    random = np.random.default_rng(1)
    centers = (10 * random.permutation(np.eye(max(k, features)))[:k, :features] + np.arange(k)[:, None]).astype(
        np.float32
    )
    rows = centers[random.integers(0, k, count)] + random.normal(0, spread, (count, features))
    return rows.astype(np.float32), centers


def fit(rows: Floats, k: int, factor: int = 10, batch: int = 500, **stream: int) -> tuple[Floats, float]:
    random = np.random.default_rng(0)
    state = Stream.start(rows[:batch], k * factor, seeding.RANDOM, random, **stream)
    for start in range(0, len(rows), batch):
        state.update(rows[start : start + batch])
    return shrink(*state.used(), Plan(k), random, lambda *_: None)


def msd(rows: Floats, centers: Floats) -> float:
    return float(Nearest(centers).distances(rows)[1].mean())


def test_the_nearest_centre_is_found_as_by_measuring_all() -> None:
    random = np.random.default_rng(0)
    rows, centers = random.normal(size=(700, 6)).astype(np.float32), random.normal(size=(90, 6)).astype(np.float32)
    all_distances = ((rows[:, None] - centers) ** 2).sum(axis=2)

    found, away = Nearest(centers).distances(rows)

    assert (found == all_distances.argmin(axis=1)).all()
    assert away == pytest.approx(all_distances.min(axis=1), rel=1e-4)


def test_far_from_the_origin_no_digits_are_lost() -> None:
    rows, centers = blobs()

    assert (Nearest(centers + 100_000).places(rows + 100_000) == Nearest(centers).places(rows)).all()


def test_rows_are_summed_by_their_centre() -> None:
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)

    assert sums(rows, np.array([2, 0, 2, 0]), 3).tolist() == [[8, 10], [0, 0], [4, 6]]


@pytest.mark.parametrize("method", [seeding.RANDOM, seeding.PLUS_PLUS])
def test_seeds_are_different_rows(method: str) -> None:
    rows, _ = blobs(200)
    chosen = seeding.seeds(rows, np.ones(len(rows)), 50, method, np.random.default_rng(0))

    assert len({tuple(row) for row in chosen.tolist()} & {tuple(row) for row in rows.tolist()}) == 50


def test_plus_plus_finds_every_far_cluster() -> None:
    rows, centers = blobs()
    chosen = seeding.seeds(rows, np.ones(len(rows)), len(centers), seeding.PLUS_PLUS, np.random.default_rng(0))

    assert len(set(Nearest(centers).places(chosen).tolist())) == len(centers)


def test_plus_plus_survives_rows_that_are_all_the_same() -> None:
    rows = np.ones((5, 2), np.float32)

    assert seeding.seeds(rows, np.ones(5), 3, seeding.PLUS_PLUS, np.random.default_rng(0)).tolist() == [[1, 1]] * 3


def test_one_pass_finds_the_clusters() -> None:
    rows, centers = blobs()
    found, _ = fit(rows, len(centers))

    assert msd(rows, found) <= 1.02 * msd(rows, centers)


def test_without_decay_a_centre_is_the_mean_of_its_rows() -> None:
    rows, centers = blobs()
    stream = Stream(centers + np.float32(0.2), np.zeros(len(centers)))
    for start in range(0, len(rows), 300):
        stream.update(rows[start : start + 300])
    places = Nearest(centers).places(rows)

    for place in range(len(centers)):
        assert stream.centers[place] == pytest.approx(rows[places == place].mean(axis=0), abs=1e-3)
    assert stream.weights.tolist() == np.bincount(places).tolist()


def test_a_weight_halves_with_every_half_life_of_rows() -> None:
    stream = Stream(np.zeros((1, 1), np.float32), np.zeros(1), half_life=100)
    for value in (0, 4):
        stream.update(np.full((100, 1), value, np.float32))

    assert stream.weights.tolist() == [150]
    assert stream.centers[0, 0] == pytest.approx(4 * 100 / 150)


def test_a_weight_counts_like_repeated_rows() -> None:
    rows, _ = blobs(60, k=4)
    weights = np.random.default_rng(0).integers(1, 5, len(rows)).astype(np.float64)
    repeated = np.repeat(rows, weights.astype(int), axis=0)

    _, once = shrink(rows, weights, Plan(4), np.random.default_rng(0), lambda *_: None)
    _, again = shrink(repeated, np.ones(len(repeated)), Plan(4), np.random.default_rng(0), lambda *_: None)

    assert once == pytest.approx(again, rel=1e-3)


def test_every_trial_is_told_and_the_best_is_kept() -> None:
    rows, _ = blobs(300)
    told: list[float] = []
    _, reached = shrink(
        rows,
        np.ones(len(rows)),
        Plan(8, seeding.RANDOM, trials=5),
        np.random.default_rng(0),
        lambda _, msd: told.append(msd),
    )

    assert len(told) == 5
    assert reached == min(told)


def test_a_centre_that_lost_its_rows_goes_where_it_is_needed() -> None:
    rows = np.array([[0], [0], [0], [0], [10], [11]], np.float32)
    found, reached = shrink(
        rows, np.ones(6), Plan(3, seeding.RANDOM, trials=1), np.random.default_rng(3), lambda *_: None
    )

    assert reached == 0
    assert sorted(found[:, 0].tolist()) == [0, 10, 11]


def test_centres_of_sparse_rows_need_no_other_engine() -> None:
    rows = sp.random(50, 20, 0.2, "csr", np.float32, np.random.default_rng(0))

    assert Nearest(rows[:5].toarray()).places(rows[:5].toarray()).tolist() == [0, 1, 2, 3, 4]
