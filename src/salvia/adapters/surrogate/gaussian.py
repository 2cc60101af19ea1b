"""A Gaussian process with a Matern-5/2 kernel and one length scale for each coordinate, fitted by maximum a posteriori.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", chapters 2 and 5; the prior on length scales grows
with the number of coordinates as in Hvarfner et al., "Vanilla Bayesian Optimization Performs Great in High Dimensions" (2024).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from salvia.adapters.surrogate.cube import Array

_JITTER = 1e-8
_LOG_NOISE, _NOISE_BOUNDS = np.log(1e-3), (np.log(1e-6), 0.0)
_SCALE_BOUNDS = (-4.0, 4.0)
_ITERATIONS = 60
_LEVEL = 1.0  # the variance of a constant that is added: far from all points the model expects what it has learnt to, not the mean
_IMPOSSIBLE = 1e10


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is known after n values: `features` (n, f), the inverse of their covariance's factor (`whitening`), and one weight
    vector (n, k) for each of k sets of values. `scales` has the length scale of every feature.
    """

    features: Array
    whitening: Array
    weights: Array
    scales: Array
    amplitude: float
    noise: float

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Means (m, k) and standard deviations (m,)."""
        cross = kernel(features, self.features, self.scales, self.amplitude)
        whitened = cross @ self.whitening.T
        return cross @ self.weights, self.deviation(whitened)

    def deviation(self, whitened: Array) -> Array:
        """(m,) from the covariances (m, n) with what is known, whitened."""
        variance = self.amplitude + _LEVEL - (whitened * whitened).sum(axis=1)
        result: Array = np.sqrt(np.maximum(variance, 1e-10))
        return result

    def joint(self, features: Array) -> tuple[Array, Array]:
        """Mean (m,) of the first set and the covariance (m, m)."""
        cross = kernel(features, self.features, self.scales, self.amplitude)
        whitened = cross @ self.whitening.T
        return cross @ self.weights[:, 0], kernel(
            features, features, self.scales, self.amplitude
        ) - whitened @ whitened.T

    def cross(self, features: Array) -> tuple[Array, Array]:
        """The covariances (m, n) with what is known, and how steeply each falls with half the squared scaled distance."""
        root = np.sqrt(5 * _squared(features / self.scales, self.features / self.scales))
        decay = self.amplitude * np.exp(-root)
        return _LEVEL + (1 + root + root * root / 3) * decay, -(5 / 3) * (1 + root) * decay


def fit(features: Array, values: Array, groups: Any, random: np.random.Generator, restarts: int) -> Fitted:
    """`values` (n,) have mean 0 and deviation 1; `groups` says which coordinate each feature belongs to."""
    count = int(groups.max()) + 1
    start = np.zeros(count + 2)
    start[:count] = _usual_scale(count)
    start[-1] = _LOG_NOISE
    bounds = [_SCALE_BOUNDS] * (count + 1) + [_NOISE_BOUNDS]
    low, high = np.array(bounds).T
    starts = [start, *(start + random.normal(0, 0.5, len(start)) for _ in range(restarts))]
    found = [
        minimize(
            _loss,
            np.clip(one, low, high),
            args=(features, values, groups),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _ITERATIONS},
        )
        for one in starts
    ]
    best = min(found, key=lambda one: float(one.fun)).x
    scales, amplitude, noise = np.exp(best[:count])[groups], float(np.exp(best[-2])), float(np.exp(best[-1]))
    return given(features, values[:, None], scales, amplitude, noise)


def given(features: Array, values: Array, scales: Array, amplitude: float, noise: float) -> Fitted:
    """With hyperparameters that are known; `values` is (n, k)."""
    covariance = kernel(features, features, scales, amplitude) + (noise + _JITTER) * np.eye(len(features))
    factor = cholesky(covariance, lower=True)
    whitening = solve_triangular(factor, np.eye(len(features)), lower=True)
    return Fitted(features, whitening, cho_solve((factor, True), values), scales, amplitude, noise)


def kernel(left: Array, right: Array, scales: Array, amplitude: float) -> Array:
    root = np.sqrt(5 * _squared(left / scales, right / scales))
    result: Array = _LEVEL + amplitude * (1 + root + root * root / 3) * np.exp(-root)
    return result


def _squared(left: Array, right: Array) -> Array:
    squares = (left * left).sum(axis=1)[:, None] + (right * right).sum(axis=1)[None, :] - 2 * left @ right.T
    result: Array = np.maximum(squares, 0.0)
    return result


def _usual_scale(count: int) -> float:
    return float(np.log(0.5) + 0.5 * np.log(max(count, 1) / 2))


def _loss(theta: Array, features: Array, values: Array, groups: Any) -> tuple[float, Array]:
    """The negative log posterior of the hyperparameters (log length scales, log amplitude, log noise) and its gradient."""
    count = len(theta) - 2
    scaled = features / np.exp(theta[:count])[groups]
    amplitude, noise = np.exp(theta[-2]), np.exp(theta[-1])
    squares = _squared(scaled, scaled)
    np.fill_diagonal(squares, 0.0)
    root = np.sqrt(5 * squares)
    decay = np.exp(-root)
    signal = amplitude * (1 + root + root * root / 3) * decay
    try:
        factor = cho_factor(_LEVEL + signal + (noise + _JITTER) * np.eye(len(values)), lower=True)
    except np.linalg.LinAlgError:
        return _IMPOSSIBLE, np.zeros_like(theta)
    weights = cho_solve(factor, values)
    penalty, gradient = _prior(theta)
    loss = 0.5 * values @ weights + np.log(np.diag(factor[0])).sum() + penalty
    inner = 0.5 * (cho_solve(factor, np.eye(len(values))) - np.outer(weights, weights))
    slope = inner * (-amplitude * (5 / 6) * (1 + root) * decay)  # of the loss, by the squared distance
    by_feature = -4 * (slope.sum(axis=1) @ (scaled * scaled) - ((slope @ scaled) * scaled).sum(axis=0))
    gradient[:count] += np.bincount(groups, weights=by_feature, minlength=count)
    gradient[-2] += (inner * signal).sum()
    gradient[-1] += noise * np.trace(inner)
    return float(loss), gradient


def _prior(theta: Array) -> tuple[float, Array]:
    """Normal on every logarithm."""
    count = len(theta) - 2
    mean = np.append(np.full(count, _usual_scale(count)), [0.0, _LOG_NOISE])
    deviation = np.append(np.full(count, 0.9), [0.8, 1.8])
    standard = (theta - mean) / deviation
    return float(0.5 * standard @ standard), standard / deviation
