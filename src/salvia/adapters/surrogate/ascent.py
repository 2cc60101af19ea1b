"""The point of the unit cube where the expected improvement is greatest.

From many candidates the best few climb: along the slope in what is continuous, all of them in one run of L-BFGS, and by trying
every other value of one coordinate at a time in what is not. Source: Balandat et al., "BoTorch" (2020), for the joint run.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import qmc

from salvia.adapters.surrogate.cube import Array, Cube
from salvia.adapters.surrogate.improvement import Improvement

_SPREAD = 9  # 2**_SPREAD candidates all over the cube
_WIDTHS, _MOVED = (0.01, 0.05, 0.2), 20  # around the best points: so many each, at each width
_CLIMBERS = 4  # of either kind of candidates
_ITERATIONS = 40  # of L-BFGS


def highest(cube: Cube, improvement: Improvement, best: Array, taken: Array, random: np.random.Generator) -> Array:
    """The best point whose features no point of `taken` has. `best` (b, coordinates) are the points with the best values."""
    wide = qmc.Sobol(cube.size, rng=random).random_base2(_SPREAD)
    near = np.vstack([_moved(best, width, random) for width in _WIDTHS])
    pool = np.vstack([wide, near])
    scores = improvement.at(cube.features(pool))
    split = len(wide)
    starts = np.append(np.argsort(-scores[:split])[:_CLIMBERS], split + np.argsort(-scores[split:])[:_CLIMBERS])
    climbers, heights = pool[starts], scores[starts]
    climbers, heights = _climb(cube, improvement, climbers, heights)
    if cube.discrete:  # only now, else all would hop to where the first stands before they know what is above them
        climbers, heights = _hop(cube, improvement, climbers, heights)
        climbers, heights = _climb(cube, improvement, climbers, heights)
    seen = {tuple(row) for row in np.round(cube.features(taken), 9)}
    for point in [*climbers[np.argsort(-heights)], *pool[np.argsort(-scores)]]:
        if tuple(np.round(cube.features(point[None, :])[0], 9)) not in seen:
            return np.asarray(point, dtype=np.float64)
    anywhere: Array = random.random(cube.size)
    return anywhere


def _moved(best: Array, width: float, random: np.random.Generator) -> Array:
    """Around the best points: each copy moves in some of its coordinates."""
    copies = np.repeat(best, _MOVED, axis=0)
    mask = random.random(copies.shape) < max(0.3, 2 / copies.shape[1])
    moved: Array = np.clip(copies + random.normal(0, width, copies.shape) * mask, 0, 1)
    return moved


def _climb(cube: Cube, improvement: Improvement, points: Array, heights: Array) -> tuple[Array, Array]:
    free = cube.continuous
    if not len(free):
        return points, heights
    features = cube.features(points)
    columns = cube.column[free]

    def loss(flat: Array) -> tuple[float, Array]:
        features[:, columns] = flat.reshape(len(points), -1)
        value, slope = improvement.slope(features)
        return -float(value.sum()), -slope[:, columns].ravel()

    start = np.clip(points[:, free], 0, 1).ravel()
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(start), options={"maxiter": _ITERATIONS}
    )
    moved = points.copy()
    moved[:, free] = found.x.reshape(len(points), -1)
    return _better(points, heights, moved, improvement.at(cube.features(moved)))


def _hop(cube: Cube, improvement: Improvement, points: Array, heights: Array) -> tuple[Array, Array]:
    """Each point to the best of those that differ from it in one discrete coordinate, if that is better."""
    for index in cube.discrete:
        levels = cube.levels(index)
        others = np.repeat(points, len(levels), axis=0)
        others[:, index] = np.tile(levels, len(points))
        scores = improvement.at(cube.features(others)).reshape(len(points), -1)
        chosen = scores.argmax(axis=1)
        rows = np.arange(len(points))
        moved = others.reshape(len(points), len(levels), -1)[rows, chosen]
        points, heights = _better(points, heights, moved, scores[rows, chosen])
    return points, heights


def _better(old: Array, old_heights: Array, new: Array, new_heights: Array) -> tuple[Array, Array]:
    better = new_heights > old_heights
    return np.where(better[:, None], new, old), np.where(better, new_heights, old_heights)
