"""Where to look next: the point of greatest expected improvement, with what is pending imagined in several ways.

Source: Snoek, Larochelle and Adams, "Practical Bayesian Optimization of Machine Learning Algorithms" (2012) for pending points.
"""

import warnings

import numpy as np
from scipy.stats import qmc, yeojohnson

from salvia.adapters.surrogate.ascent import highest
from salvia.adapters.surrogate.cube import Array, Cube
from salvia.adapters.surrogate.gaussian import Fitted, fit, given
from salvia.adapters.surrogate.improvement import Improvement
from salvia.ports.surrogate import Observations, Suggestion

MOST = 400  # values that a model is made of: the best half and the newest half
_FEWEST = 3
_FANTASIES = 8
_LEADING = 5  # points around which an improvement is looked for


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
    taken, leading = np.vstack([points, pending]), points[np.argsort(values)[:_LEADING]]
    point = highest(cube, Improvement(imagined, best), leading, taken, random)
    return Suggestion(point.tolist(), belief(model, cube, scaled, values, point))


def recent_and_best(points: Array, values: Array) -> tuple[Array, Array]:
    if len(values) <= MOST:
        return points, values
    best = np.argsort(values, kind="stable")[: MOST // 2]
    chosen = np.union1d(best, np.arange(len(values) - MOST // 2, len(values)))
    return points[chosen], values[chosen]


def standardised(values: Array) -> Array:
    """Very bad values are drawn in, the rest is made as normal as a power from 0 to 2 can make it; mean 0, deviation 1.

    A power below 0 would magnify the differences between the best, and the search would not leave them.
    """
    worst = np.median(values) + 3 * (np.median(values) - values.min() + 1e-12)
    scaled = _standard(np.minimum(values, worst))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _, power = yeojohnson(scaled)
        bent = yeojohnson(scaled, float(np.clip(power, 0, 2)))
    if np.isfinite(bent).all() and np.isfinite(power):
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
