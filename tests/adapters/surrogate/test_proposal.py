"""The surrogate finds what there is to find, does as it did before, and respects steps and categories."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from salvia.adapters.surrogate.ascent import highest
from salvia.adapters.surrogate.cube import Array, Cube
from salvia.adapters.surrogate.gaussian import _loss, fit, given
from salvia.adapters.surrogate.importance import importance
from salvia.adapters.surrogate.improvement import Improvement, log_improvement
from salvia.adapters.surrogate.proposal import MOST, recent_and_best, standardised, suggest
from salvia.ports.surrogate import Observations

MIXED: list[dict[str, object]] = [{}, {"steps": [0.1, 0.5, 0.9]}, {"categories": 3}]


def known(dimensions: list[dict[str, object]], count: int, number: int | None = None, seed: int = 1) -> Observations:
    """Values of a bowl around 0.3, in every coordinate."""
    points = np.random.default_rng(seed).random((count, len(dimensions)))
    return Observations(
        dimensions=dimensions,
        points=points.tolist(),
        values=((points - 0.3) ** 2).sum(axis=1).tolist(),
        seed=seed,
        number=count if number is None else number,
    )


def test_the_first_points_spread_over_the_cube() -> None:
    first = [suggest(Observations([{}, {}], [], [], number=number)).point for number in range(4)]

    assert len({(int(x * 2), int(y * 2)) for x, y in first}) == 4


def test_it_goes_where_the_bowl_is_deepest() -> None:
    found = suggest(known([{}, {}], 20))

    assert np.abs(np.array(found.point) - 0.3).max() < 0.1
    assert found.belief["mean"] < 0.1


def test_the_same_knowledge_gives_the_same_suggestion() -> None:
    assert suggest(known(MIXED, 12)) == suggest(known(MIXED, 12))


def test_another_seed_gives_another_suggestion() -> None:
    assert suggest(Observations([{}], [], [], seed=1)).point != suggest(Observations([{}], [], [], seed=2)).point


def test_what_is_pending_is_not_suggested_again() -> None:
    dimensions: list[dict[str, object]] = [{"categories": 4}]
    told = Observations(dimensions, [[0.1], [0.3], [0.9]], [1.0, 2.0, 3.0], pending=[], number=9)
    first = suggest(told).point
    cells = {int(unit[0] * 4) for unit in [[0.1], [0.3], [0.9], first]}

    assert cells == {0, 1, 2, 3}


def test_trials_that_run_side_by_side_look_in_different_places() -> None:
    base = known([{}, {}], 12)
    first = suggest(base).point
    second = suggest(Observations(base.dimensions, base.points, base.values, [first], base.seed, base.number)).point

    assert np.abs(np.array(first) - np.array(second)).max() > 1e-3


def test_points_that_mean_the_same_have_the_same_features() -> None:
    features = Cube(MIXED).features(np.array([[0.2, 0.45, 0.1], [0.2, 0.55, 0.3], [0.2, 0.1, 0.99]]))

    assert features.tolist() == [[0.2, 0.5, 1, 0, 0], [0.2, 0.5, 1, 0, 0], [0.2, 0.1, 0, 0, 1]]


def test_the_gradient_of_the_loss_is_its_slope() -> None:
    random = np.random.default_rng(0)
    cube = Cube(MIXED)
    features, values = cube.features(random.random((14, 3))), random.normal(size=14)
    theta = random.normal(0, 0.3, 5)

    def loss(one: Array) -> float:
        return _loss(one, features, values, cube.groups)[0]

    assert _loss(theta, features, values, cube.groups)[1] == pytest.approx(approx_fprime(theta, loss, 1e-7), abs=1e-4)


def test_a_fitted_process_passes_through_what_it_was_told() -> None:
    told = known([{}, {}], 25)
    cube, values = Cube(told.dimensions), standardised(np.array(told.values))
    features = cube.features(np.array(told.points))
    means, deviations = fit(features, values, cube.groups, np.random.default_rng(0), 1).predict(features)

    assert np.abs(means[:, 0] - values).max() < 0.2
    assert deviations.max() < 0.2


def test_the_logarithm_of_the_improvement_is_exact_near_and_smooth_far() -> None:
    mean, deviation = np.array([0.0, 0.3, 30.0]), np.array([1.0, 0.2, 1.0])
    draws = np.random.default_rng(0).normal(size=400_000)

    found = log_improvement(mean, deviation, np.array([0.0]))

    assert found[:2] == pytest.approx(
        [np.log(np.maximum(0 - (m + d * draws), 0).mean()) for m, d in ((0.0, 1.0), (0.3, 0.2))], abs=0.03
    )
    assert -460 < found[2] < -450


def test_the_slope_of_the_improvement_is_its_slope() -> None:
    random = np.random.default_rng(2)
    cube = Cube(MIXED)
    features = cube.features(random.random((12, 3)))
    model = given(features, random.normal(size=(12, 4)), np.array([0.5, 0.9, 0.7, 0.7, 0.7]), 1.3, 1e-3)
    improvement = Improvement(model, np.array([-1.0, -2.5, 0.1, -0.7]))
    somewhere = cube.features(random.random((3, 3)))

    values, slopes = improvement.slope(somewhere)

    assert values == pytest.approx(improvement.at(somewhere))
    for point, slope in zip(somewhere, slopes, strict=True):
        assert slope == pytest.approx(
            approx_fprime(point, lambda one: float(improvement.at(one[None, :])[0]), 1e-6), abs=1e-3
        )


def test_no_point_drawn_by_chance_is_higher_than_the_one_that_is_climbed_to() -> None:
    random = np.random.default_rng(5)
    cube = Cube([{}, {}, *MIXED])
    points = random.random((25, 5))
    features = cube.features(points)
    values = np.abs(points - 0.4).sum(axis=1) + 0.5 * features[:, -1]
    model = given(features, standardised(values)[:, None], np.full(7, 0.8), 1.0, 1e-3)
    improvement = Improvement(model, np.array([-1.5]))

    found = highest(cube, improvement, points[:5], points, random)

    assert (
        improvement.at(cube.features(found[None, :]))[0]
        > improvement.at(cube.features(random.random((20_000, 5)))).max()
    )


def test_the_best_values_are_not_magnified() -> None:
    values = np.concatenate([np.linspace(0, 0.01, 30), np.linspace(1, 100, 30)])

    found = standardised(values)

    assert np.all(np.diff(found) >= 0)
    assert found[29] - found[0] < 0.1


def test_old_values_that_are_not_among_the_best_are_forgotten_at_last() -> None:
    values = np.arange(1000.0)[::-1]
    points = np.zeros((1000, 1))

    assert len(recent_and_best(points, values)[1]) <= MOST
    assert recent_and_best(points, values)[1].min() == 0


def test_the_coordinate_that_decides_is_the_important_one() -> None:
    points = np.random.default_rng(3).random((40, 3))
    told = Observations(
        [{}, {}, {"categories": 2}], points.tolist(), (5 * points[:, 1] ** 2 + 0.1 * points[:, 0]).tolist()
    )

    shares = importance(told)

    assert shares[1] > 0.8
    assert max(shares[0], shares[2]) < 0.2


def test_too_little_is_not_important() -> None:
    assert importance(Observations([{}, {}], [[0.1, 0.2]], [1.0])) == [0.0, 0.0]
