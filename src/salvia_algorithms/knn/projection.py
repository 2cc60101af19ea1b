"""Random projections into fewer dimensions, which keep distances nearly as they are."""

import numpy as np

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.knn.hyperparameters import SIGN


def matrix(kind: str, features: int, target: int, random: np.random.Generator) -> Floats:
    """A (features, target) matrix: random signs, or `target` random columns of a Hadamard matrix with random row signs."""
    scale = np.float32(1 / np.sqrt(target))
    if kind == SIGN:
        return scale * random.choice(np.array([-1, 1], np.float32), (features, target))
    size = 1 << max(features - 1, target - 1, 1).bit_length()
    columns = random.choice(size, target, replace=False)
    both = np.arange(features)[:, None] & columns
    hadamard = 1 - 2 * (np.bitwise_count(both) & 1).astype(np.float32)
    signs = random.choice(np.array([-1, 1], np.float32), (features, 1))
    found: Floats = scale * signs * hadamard
    return found
