"""The second half of web-scale K-Means: many weighted centres become k, by Lloyd's algorithm, tried several times."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from salvia_algorithms.kmeans import seeding
from salvia_algorithms.kmeans.nearest import Doubles, Floats, Nearest, Places, sums


@dataclass(frozen=True, slots=True)
class Plan:
    """How to look for the k centres: how each of the `trials` begins, and when it ends.

    A trial ends after `max_iter` rounds, or when the mean squared distance falls by less than `tol` of itself.
    """

    k: int
    init: str = seeding.PLUS_PLUS
    max_iter: int = 300
    tol: float = 1e-4
    trials: int = 10


def shrink(
    rows: Floats, weights: Doubles, plan: Plan, random: np.random.Generator, say: Callable[[int, float], None]
) -> tuple[Floats, float]:
    """The best k centres (k, d) for rows (n, d) with weights (n,), n >= k, and the weighted mean squared distance to them.

    `say` hears of each trial and what it reached.
    """
    best, least = rows[: plan.k], np.inf
    for trial in range(plan.trials):
        centers, reached = _fit(rows, weights, plan, random)
        say(trial, reached)
        if reached < least:
            best, least = centers, reached
    return best, least


def _fit(rows: Floats, weights: Doubles, plan: Plan, random: np.random.Generator) -> tuple[Floats, float]:
    centers = seeding.seeds(rows, weights, plan.k, plan.init, random)
    found, away = Nearest(centers).distances(rows)
    whole = weights.sum()
    weighted = rows * weights[:, None].astype(np.float32)
    before, now = np.inf, float(away @ weights / whole)
    for _ in range(plan.max_iter):
        if before - now <= plan.tol * now:
            break
        centers = _means(rows, weighted, weights, found, away, centers)
        found, away = Nearest(centers).distances(rows)
        before, now = now, float(away @ weights / whole)
    return centers, now


def _means(
    rows: Floats, weighted: Floats, weights: Doubles, found: Places, away: Floats, centers: Floats
) -> Floats:  # fmt: skip
    """Each centre goes to the mean of its rows; one without rows goes to a row that is far from its own centre."""
    k = len(centers)
    mass = np.bincount(found, weights, k)
    has = mass > 0
    moved = np.where(has[:, None], sums(weighted, found, k) / np.where(has, mass, 1)[:, None], centers).astype(
        np.float32
    )
    lost = np.flatnonzero(~has)
    if len(lost):
        moved[lost] = rows[np.argsort(-(away * weights), kind="stable")[: len(lost)]]
    return moved
