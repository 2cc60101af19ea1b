"""The logarithm of the expected improvement under a model, averaged over fantasies of what is pending; and its slope.

Source: Ament et al., "Unexpected Improvements to Expected Improvement" (2023).
"""

import numpy as np
from scipy.special import erfcx, log_ndtr
from scipy.stats import norm

from salvia.adapters.surrogate.cube import Array
from salvia.adapters.surrogate.gaussian import Fitted


class Improvement:
    """`best` (k,) is the best value in each of the model's k sets of values."""

    def __init__(self, model: Fitted, best: Array) -> None:
        self._model, self._best = model, best[None, :]

    def at(self, features: Array) -> Array:
        """(m, f) -> (m,)."""
        means, deviations = self._model.predict(features)
        return _averaged(log_improvement(means, deviations[:, None], self._best))

    def slope(self, features: Array) -> tuple[Array, Array]:
        """(m, f) -> the improvement (m,) and its slope along every feature (m, f)."""
        model = self._model
        cross, steep = model.cross(features)
        whitened = cross @ model.whitening.T
        means, deviation = cross @ model.weights, model.deviation(whitened)[:, None]
        logs = log_improvement(means, deviation, self._best)
        value = _averaged(logs)
        share = np.exp(logs - value[:, None]) / logs.shape[1]
        standard = (self._best - means) / deviation
        ratio = np.exp(np.minimum(log_ndtr(standard) - (logs - np.log(deviation)), 50.0))
        by_mean = -share * ratio / deviation
        by_deviation = (share * (1 - ratio * standard)).sum(axis=1, keepdims=True) / deviation
        by_cross = by_mean @ model.weights.T - by_deviation / deviation * (whitened @ model.whitening)
        pull = by_cross * steep
        return value, (pull.sum(axis=1, keepdims=True) * features - pull @ model.features) / model.scales**2


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


def _averaged(logs: Array) -> Array:
    highest = logs.max(axis=1)
    result: Array = highest + np.log(np.exp(logs - highest[:, None]).mean(axis=1))
    return result
