"""What one pass over the data keeps of it: the whole covariance, or its product with a few random directions.

Rows are counted from a point near their mean, so that what varies little around a large mean is not lost. All sums are
linear in the rows: those of hosts, counted from the same point, can be added.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.collective import Collective

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Components:
    """`values` (c,), singular values of the data, least first; `vectors` (d, c), a column for each; `mean` (d,)."""

    values: Doubles
    vectors: Doubles
    mean: Doubles


class Covariance:
    """Sums over rows of a dataset with `origin.size` features. `directions` (d, l), or None: the whole covariance."""

    def __init__(self, origin: Doubles, directions: Doubles | None) -> None:
        self._origin = origin
        self._moved = bool(origin.any())
        self._directions = directions
        width = len(origin) if directions is None else directions.shape[1]
        self._products = np.zeros((len(origin), width))
        self._total = np.zeros(len(origin))
        self.rows = 0

    def add(self, batch: Batch) -> None:
        rows = batch.dense() - self._origin.astype(np.float32) if self._moved else batch.features
        if self._directions is None:
            product = rows.T @ rows
        else:
            product = rows.T @ np.asarray(rows @ self._directions.astype(np.float32))
        self._products += product if isinstance(product, np.ndarray) else product.toarray()
        self._total += np.asarray(rows.sum(axis=0, dtype=np.float64)).ravel()
        self.rows += len(batch)

    def together(self, hosts: Collective) -> None:
        """Adds up what all hosts have seen."""
        self._products = hosts.sum(self._products)
        self._total = hosts.sum(self._total)
        self.rows = int(hosts.sum(np.array([self.rows]))[0])

    def components(self, count: int, *, subtract_mean: bool) -> Components:
        """The `count` directions in which the rows vary most, around their mean or around zero."""
        mean = self._origin + self._total / self.rows if subtract_mean else np.zeros_like(self._origin)
        products = self._products
        if subtract_mean:
            along = self._total if self._directions is None else self._total @ self._directions
            products = products - np.outer(self._total, along) / self.rows
        squares, vectors = _exact(products) if self._directions is None else _sketched(products, self._directions)
        values = np.sqrt(np.maximum(squares, 0))
        return Components(values[-count:], _signed(vectors[:, -count:]), mean)


def directions(features: int, count: int) -> Doubles:
    """(features, count): random ones at right angles, the same in every run and on every host."""
    random = np.random.default_rng(0).normal(size=(features, min(count, features)))
    orthogonal: Doubles = np.linalg.qr(random)[0]
    return orthogonal


def origin_of(first: Batch | None, features: int) -> Doubles:
    """A point near the mean, by the first rows; zero for sparse rows, which would not stay sparse."""
    if first is None or first.sparse:
        return np.zeros(features)
    mean: Doubles = first.dense().mean(axis=0, dtype=np.float64)
    return mean


def _exact(products: Doubles) -> tuple[Doubles, Doubles]:
    squares, vectors = np.linalg.eigh((products + products.T) / 2)
    return squares, vectors


def _sketched(products: Doubles, chosen: Doubles) -> tuple[Doubles, Doubles]:
    """Nyström's approximation of a covariance from its product with some directions, shifted a little to stay stable.

    After Tropp, Yurtsever, Udell and Cevher, "Fixed-rank approximation of a positive-semidefinite matrix from streaming
    data" (2017), algorithm 3.
    """
    shift = np.sqrt(len(products)) * np.finfo(np.float64).eps * max(float(np.linalg.norm(products)), 1e-300)
    shifted = products + shift * chosen
    core = chosen.T @ shifted
    squares, turned = np.linalg.eigh((core + core.T) / 2)
    kept = squares > squares.max(initial=0.0) * 1e-12
    if not kept.any():
        return np.zeros(chosen.shape[1]), chosen
    half = (shifted @ turned[:, kept]) / np.sqrt(squares[kept])
    vectors, values, _ = np.linalg.svd(half, full_matrices=False)
    found = np.maximum(values**2 - shift, 0)
    missing = chosen.shape[1] - len(found)
    if missing:  # directions in which nothing varies: any at right angles will do
        rest = np.linalg.qr(np.hstack([vectors, chosen]))[0][:, len(found) : len(found) + missing]
        vectors, found = np.hstack([vectors, rest]), np.concatenate([found, np.zeros(rest.shape[1])])
    return found[::-1], vectors[:, ::-1]


def _signed(vectors: Doubles) -> Doubles:
    """A direction and its opposite are the same component: the largest coordinate is made positive."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    signed: Doubles = vectors * np.where(signs == 0, 1, signs)
    return signed
