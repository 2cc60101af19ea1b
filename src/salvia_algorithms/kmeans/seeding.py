"""Where centres begin: at rows drawn at random, or drawn one after the other, far from those already there (k-means++)."""

import math

import numpy as np

from salvia_algorithms.kmeans.nearest import Doubles, Floats

RANDOM, PLUS_PLUS = "random", "kmeans++"


def seeds(rows: Floats, weights: Doubles, k: int, method: str, random: np.random.Generator) -> Floats:
    """K of the rows (n, d), n >= k. Weights (n,) say how many rows each stands for; rows of weight 0 are drawn last."""
    if method == RANDOM:
        keys = np.log(random.random(len(rows))) / np.maximum(weights, 1e-300)  # drawn by weight, without replacement
        return np.array(rows[np.argsort(-keys, kind="stable")[:k]])
    return _plus_plus(rows, weights, k, random)


def _plus_plus(rows: Floats, weights: Doubles, k: int, random: np.random.Generator) -> Floats:
    """Of a few candidates for each centre, the one that leaves the least distance over is taken."""
    moved = rows - rows.mean(axis=0)
    norms = np.einsum("ij,ij->i", moved, moved)
    candidates = 2 + int(math.log(k))
    chosen = [int(_draw(weights, 1, random)[0])]
    away = _squared(moved, norms, chosen)[0]
    while len(chosen) < k:
        drawn = _draw(away * weights, candidates, random)
        left = np.minimum(away, _squared(moved, norms, drawn))
        best = int(np.argmin(left @ weights))
        chosen.append(int(drawn[best]))
        away = left[best]
    return np.array(rows[chosen])


def _squared(rows: Floats, norms: Floats, of: list[int]) -> Floats:
    """Squared distances (len(of), n) from some rows to all."""
    found: Floats = np.maximum(norms[of][:, None] - 2 * (rows[of] @ rows.T) + norms, 0)
    found[np.arange(len(of)), of] = 0
    return found


def _draw(shares: Doubles | Floats, count: int, random: np.random.Generator) -> list[int]:
    upto = np.cumsum(shares, dtype=np.float64)
    if upto[-1] <= 0:  # all rows are where a centre is already
        return [int(place) for place in random.integers(0, len(upto), count)]
    return [
        int(place)
        for place in np.searchsorted(upto, random.random(count) * upto[-1], side="right").clip(0, len(upto) - 1)
    ]
