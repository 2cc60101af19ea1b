"""Where to look next: the point of greatest expected improvement, with what is pending imagined in several ways.

Sources: Snoek, Larochelle and Adams, "Practical Bayesian Optimization of Machine Learning Algorithms" (2012) for pending
points; Ament et al., "Unexpected Improvements to Expected Improvement" (2023) for its logarithm.
"""

import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import erfcx
from scipy.stats import norm, qmc, yeojohnson

from salvia.adapters.surrogate.cube import Array, Cube
from salvia.adapters.surrogate.gaussian import Fitted, fit, given
from salvia.ports.surrogate import Observations, Suggestion

MOST = 400  # values that a model is made of: the best half and the newest half
_FEWEST = 3
_FANTASIES = 8
_CANDIDATES = 9  # a power of 2
_AROUND_BEST = (0.02, 0.1, 0.25)
_ROUNDS = (0.1, 0.05, 0.025, 0.012, 0.006, 0.003)
_CLIMBERS, _NEIGHBOURS = 6, 16

Score = Callable[[Array], Array]


def suggest(known: Observations) -> Suggestion:
    cube = Cube(known.dimensions)
    random = np.random.default_rng([known.seed, known.number])
    first = int(np.clip(cube.size + 2, 5, 10))
    if (known.number < first and len(known.values) < first) or len(known.values) < _FEWEST:
        design = qmc.Sobol(cube.size, rng=np.random.default_rng(known.seed)).random_base2(4)
        return Suggestion(
            design[known.number].tolist() if known.number < len(design) else random.random(cube.size).tolist()
        )
    points, values = recent_and_best(np.array(known.points), np.array(known.values))
    pending = np.array(known.pending).reshape(-1, cube.size)
    scaled = standardised(values)
    model = fit(cube.features(points), scaled, cube.groups, random, restarts=0 if len(values) > 20 else 1)
    imagined, best = with_pending(model, cube, scaled, pending, random)
    point = climb(
        cube, points[np.argsort(values)[:5]], np.vstack([points, pending]), scorer(imagined, cube, best), random
    )
    return Suggestion(point.tolist(), belief(model, cube, scaled, values, point))


def recent_and_best(points: Array, values: Array) -> tuple[Array, Array]:
    if len(values) <= MOST:
        return points, values
    best = np.argsort(values, kind="stable")[: MOST // 2]
    chosen = np.union1d(best, np.arange(len(values) - MOST // 2, len(values)))
    return points[chosen], values[chosen]


def standardised(values: Array) -> Array:
    """Very bad values are drawn in, the rest is made as normal as a power can make it; mean 0, deviation 1."""
    worst = np.median(values) + 3 * (np.median(values) - values.min() + 1e-12)
    scaled = _standard(np.minimum(values, worst))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        bent, power = yeojohnson(scaled)
    if np.isfinite(bent).all() and -2 < power < 3:
        scaled = bent
    return _standard(scaled)


def _standard(values: Array) -> Array:
    result: Array = (values - values.mean()) / (values.std() + 1e-12)
    return result


def with_pending(
    model: Fitted, cube: Cube, values: Array, pending: Array, random: np.random.Generator
) -> tuple[Fitted, Array]:
    """The model that knows of the pending points, in several fantasies of their values; and the best value in each."""
    if not len(pending):
        return model, np.array([values.min()])
    features = cube.features(pending)
    mean, covariance = model.joint(features)
    spread, axes = np.linalg.eigh(covariance + (model.noise + 1e-6) * np.eye(len(mean)))
    draws = random.normal(size=(len(mean), _FANTASIES))
    fantasies = mean[:, None] + (axes * np.sqrt(np.maximum(spread, 0))) @ draws
    whole = np.vstack([np.repeat(values[:, None], _FANTASIES, axis=1), fantasies])
    together = np.vstack([model.features, features])
    return given(together, whole, model.scales, model.amplitude, model.noise), whole.min(axis=0)


def scorer(model: Fitted, cube: Cube, best: Array) -> Score:
    """The logarithm of the expected improvement, averaged over the fantasies."""

    def score(points: Array) -> Array:
        means, deviations = model.predict(cube.features(points))
        logs = log_improvement(means, deviations[:, None], best[None, :])
        highest = logs.max(axis=1)
        result: Array = highest + np.log(np.exp(logs - highest[:, None]).mean(axis=1))
        return result

    return score


def log_improvement(mean: Array, deviation: Array, best: Array) -> Array:
    """Log E[max(best - x, 0)] for normal x, exact also where the improvement is next to nothing."""
    standard = (best - mean) / deviation
    near = np.maximum(standard, -1.0)
    usual = np.log(np.maximum(norm.pdf(near) + near * norm.cdf(near), 1e-300))
    far = np.minimum(standard, -1.0)
    rest = 1 + far * np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2))
    unusual = -0.5 * far * far - 0.5 * np.log(2 * np.pi) + np.log(np.maximum(rest, 1e-16))
    result: Array = np.where(standard > -1, usual, unusual) + np.log(deviation)
    return result


def climb(cube: Cube, best: Array, taken: Array, score: Score, random: np.random.Generator) -> Array:
    """The best point that is not taken: from many candidates, the best few search their neighbourhoods."""
    candidates = [qmc.Sobol(cube.size, rng=random).random_base2(_CANDIDATES)]
    for width in _AROUND_BEST:
        moved = np.repeat(best, 20, axis=0)
        mask = random.random(moved.shape) < max(0.3, 2 / cube.size)
        candidates.append(np.clip(moved + random.normal(0, width, moved.shape) * mask, 0, 1))
    pool = np.vstack(candidates)
    scores = score(pool)
    order = np.argsort(-scores)
    tops, heights = pool[order[:_CLIMBERS]], scores[order[:_CLIMBERS]]
    for width in _ROUNDS:
        tops, heights = _step(cube, tops, heights, width, score, random)
    seen = {tuple(row) for row in np.round(cube.features(taken), 9)}
    for point in [*tops[np.argsort(-heights)], *pool[order]]:
        if tuple(np.round(cube.features(point[None, :])[0], 9)) not in seen:
            return np.asarray(point)
    return random.random(cube.size)


def _step(
    cube: Cube, tops: Array, heights: Array, width: float, score: Score, random: np.random.Generator
) -> tuple[Array, Array]:
    near = np.repeat(tops, _NEIGHBOURS, axis=0)
    mask = random.random(near.shape) < max(0.35, 1.5 / cube.size)
    near = np.clip(near + random.normal(0, width, near.shape) * mask, 0, 1)
    if cube.categories.any():
        flips = (random.random(near.shape) < 0.1) & (cube.categories > 0)
        near = np.where(flips, random.random(near.shape), near)
    scores = score(near).reshape(len(tops), _NEIGHBOURS)
    chosen = scores.argmax(axis=1)
    rows = np.arange(len(tops))
    better = scores[rows, chosen] > heights
    near = near.reshape(len(tops), _NEIGHBOURS, cube.size)
    return np.where(better[:, None], near[rows, chosen], tops), np.where(better, scores[rows, chosen], heights)


def belief(model: Fitted, cube: Cube, scaled: Array, values: Array, point: Array) -> dict[str, float]:
    """What the model expects at the point, carried back from its own units along the values that it was made of."""
    means, deviations = model.predict(cube.features(point[None, :]))
    order = np.argsort(scaled)

    def back(value: float) -> float:
        return float(np.interp(value, scaled[order], values[order]))

    mean, deviation = float(means[0, 0]), float(deviations[0])
    return {
        "mean": back(mean),
        "deviation": (back(mean + deviation) - back(mean - deviation)) / 2,
        "best": float(values.min()),
    }
