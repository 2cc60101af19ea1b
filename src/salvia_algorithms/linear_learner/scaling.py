"""Features and labels brought to mean zero and deviation one, and models brought back to the features as they are.

Data is not rewritten: what would be done to every row is done to the weights, which are few. Only dense features far from
zero compared to how they vary are moved themselves, because float32 would lose their differences.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from salvia_algorithms.first_party.batch import Floats

Doubles = npt.NDArray[np.float64]
FAR = 100.0  # deviations from zero


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over rows, (d,) each, and the same of the label; sums of hosts can be added."""

    rows: float
    total: Doubles
    squares: Doubles
    label: float = 0.0
    label_squares: float = 0.0

    @classmethod
    def of(cls, features: Floats | sp.csr_matrix, label: Floats) -> "Moments":
        if isinstance(features, np.ndarray):
            doubles = features.astype(np.float64)
            total, squares = doubles.sum(axis=0), np.einsum("ij,ij->j", doubles, doubles)
        else:
            total = np.asarray(features.sum(axis=0, dtype=np.float64)).ravel()
            squares = np.asarray(features.multiply(features).sum(axis=0, dtype=np.float64)).ravel()
        exact = label.astype(np.float64)
        return cls(float(len(label)), total, squares, float(exact.sum()), float(exact @ exact))

    def packed(self) -> Doubles:
        return np.concatenate([[self.rows, self.label, self.label_squares], self.total, self.squares])

    @classmethod
    def unpacked(cls, packed: Doubles) -> "Moments":
        total, squares = np.split(packed[3:], 2)
        return cls(packed[0], total, squares, packed[1], packed[2])


@dataclass(frozen=True, slots=True)
class Scaling:
    """Features become (x - shift) / scale, both (d,); labels (y - label_shift) / label_scale."""

    shift: Floats
    scale: Floats
    label_shift: float = 0.0
    label_scale: float = 1.0

    @property
    def far(self) -> bool:
        return bool((np.abs(self.shift) > FAR * self.scale).any())

    def effective(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """(d, k) weights and (k,) bias for features as they are, which score as these do for scaled features."""
        plain = weights / self.scale[:, None]
        return plain, bias - self.shift @ plain

    def slope(self, product: Floats, total: Floats) -> Floats:
        """The slope for scaled features, from features.T @ slopes, (d, k), and the sum of the slopes over the rows, (k,)."""
        product -= np.outer(self.shift, total)
        product /= self.scale[:, None]
        return product

    def scaled(self, features: Floats) -> Floats:
        return (features - self.shift) / self.scale

    def without_features(self) -> "Scaling":
        """The same for the label, and none for the features."""
        return Scaling(np.zeros_like(self.shift), np.ones_like(self.scale), self.label_shift, self.label_scale)

    def undone(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Weights and bias for features and labels as they are."""
        plain, moved = self.effective(weights, bias)
        return plain * np.float32(self.label_scale), moved * np.float32(self.label_scale) + np.float32(self.label_shift)


def scaling_of(moments: Moments, *, shift: bool, scale: bool, shift_label: bool, scale_label: bool) -> Scaling:
    """Fitted to the rows of `moments`. What never varies keeps its scale."""
    mean = moments.total / moments.rows
    deviation = _deviation(mean, moments.squares / moments.rows)
    label_mean = moments.label / moments.rows
    label_deviation = float(_deviation(np.array([label_mean]), np.array([moments.label_squares / moments.rows]))[0])
    return Scaling(
        (mean if shift else np.zeros_like(mean)).astype(np.float32),
        (deviation if scale else np.ones_like(deviation)).astype(np.float32),
        label_mean if shift_label else 0.0,
        label_deviation if scale_label else 1.0,
    )


def _deviation(mean: Doubles, mean_square: Doubles) -> Doubles:
    variance = mean_square - mean * mean
    return np.sqrt(np.where(variance > 1e-12 * np.maximum(mean_square, 1e-30), variance, 1.0))
