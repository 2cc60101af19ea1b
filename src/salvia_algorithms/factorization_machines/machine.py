"""The machine while it is trained: what it says of rows, and its steps. Only the features that a mini-batch has are touched.

    score(x) = bias + sum_i linear_i x_i + sum_{i<j} <factors_i, factors_j> x_i x_j

The last sum is half of |sum_i factors_i x_i|^2 - sum_i |factors_i|^2 x_i^2, which costs no more than the features that a row
has (Rendle, "Factorization Machines", 2010).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from salvia_algorithms.factorization_machines.hyperparameters import BINARY, CONSTANT, UNIFORM
from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_algorithms.first_party.collective import Collective

BETA_1, BETA_2, TINY = 0.9, 0.999, 1e-8
SCALE = 0.07  # of a uniform beginning, where none is given

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Parameters:
    """`bias` (1,); `weights` (d, 1 + k): the linear weight of a feature, then its factors."""

    bias: Floats
    weights: Floats


def scores(features: Floats | sp.csr_matrix, parameters: Parameters) -> Floats:
    """(n,): the sum above, for rows of all features."""
    if isinstance(features, np.ndarray):
        return _scores(features, features * features, parameters.weights, parameters.bias)[0]
    present, local = _present(features)
    return _scores(local, local.multiply(local), parameters.weights[present], parameters.bias)[0]


class Machine:
    """Parameters under Adam, with rates and decays of their own for bias, linear weights and factors; the same on all hosts."""

    def __init__(self, values: Mapping[str, Any], hosts: Collective) -> None:
        features, factors = values["feature_dim"], values["num_factors"]
        random = np.random.default_rng(0)
        linear = _beginning(values, "linear", (features, 1), random)
        self.parameters = Parameters(
            _beginning(values, "bias", (1,), random),
            np.hstack([linear, _beginning(values, "factors", (features, factors), random)]),
        )
        self._hosts = hosts
        self._binary = values["predictor_type"] == BINARY
        self._rate = np.array([values["linear_lr"], *[values["factors_lr"]] * factors], np.float32)
        self._decay = np.array([values["linear_wd"], *[values["factors_wd"]] * factors], np.float32)
        self._bias_rate, self._bias_decay = np.float32(values["bias_lr"]), np.float32(values["bias_wd"])
        self._clip, self._rescale = values["clip_gradient"], values["rescale_grad"]
        self._tiny = np.float32(TINY if values["eps"] is None else values["eps"])
        self._first, self._second = (np.zeros_like(self.parameters.weights) for _ in range(2))
        self._bias_first, self._bias_second = (np.zeros(1, np.float32) for _ in range(2))
        self.steps = 0

    @property
    def arrays(self) -> dict[str, Floats]:
        """With `steps`, all that must be kept to go on later."""
        return {
            "bias": self.parameters.bias,
            "weights": self.parameters.weights,
            "first": self._first,
            "second": self._second,
            "bias_first": self._bias_first,
            "bias_second": self._bias_second,
        }

    def go_on(self, arrays: Mapping[str, Floats], steps: int) -> None:
        """From where a machine with the same hyperparameters was."""
        self.parameters = Parameters(arrays["bias"], arrays["weights"])
        self._first, self._second = arrays["first"], arrays["second"]
        self._bias_first, self._bias_second = arrays["bias_first"], arrays["bias_second"]
        self.steps = steps

    def epoch(self, batches: Iterator[Batch]) -> Iterator[tuple[Floats, Floats]]:
        """Takes a step for each mini-batch; gives what was said of its rows before the step, and their labels.

        All hosts step together until none has data left.
        """
        while True:
            batch = next(batches, None)
            found = None if batch is None else self._slopes(batch)
            empty = np.empty((0, self.parameters.weights.shape[1]), np.float32)
            present, slopes, bias, count = found[:4] if found else (np.empty(0, np.int64), empty, 0.0, 0)
            bias, count = self._hosts.sum(np.array([bias, count], np.float64))
            if not count:
                return
            present, slopes = self._together(present, slopes)
            self._step(present, slopes, float(bias), float(count))
            if batch is not None and found:
                assert batch.label is not None
                yield found[4], batch.label

    def _slopes(self, batch: Batch) -> tuple[Rows, Floats, float, int, Floats]:
        present, local = _present(batch.features)
        squares = local * local if isinstance(local, np.ndarray) else local.multiply(local)
        weights = self.parameters.weights[present]
        said, sums = _scores(local, squares, weights, self.parameters.bias)
        assert batch.label is not None
        missing = (chances_of(said) if self._binary else said) - batch.label
        if not self._binary:
            missing *= 2
        slopes = np.empty_like(weights)
        slopes[:, 0] = local.T @ missing
        slopes[:, 1:] = local.T @ (missing[:, None] * sums)
        slopes[:, 1:] -= np.asarray(squares.T @ missing)[:, None] * weights[:, 1:]
        return present, slopes, float(missing.sum()), len(batch), said

    def _together(self, present: Rows, slopes: Floats) -> tuple[Rows, Floats]:
        if self._hosts.size == 1:
            return present, slopes
        every = np.concatenate(self._hosts.gathered(present))
        union, place = np.unique(every, return_inverse=True)
        total = np.zeros((len(union), slopes.shape[1]), np.float32)
        np.add.at(total, place, np.concatenate(self._hosts.gathered(slopes)))
        return union, total

    def _step(self, present: Rows, slopes: Floats, bias: float, count: float) -> None:
        self.steps += 1
        scale = np.float32(1 / count if self._rescale is None else self._rescale)
        rate = np.float32((1 - BETA_2**self.steps) ** 0.5 / (1 - BETA_1**self.steps))
        all_of_them = len(present) == len(self.parameters.weights)
        place: Any = slice(None) if all_of_them else present
        weights = self.parameters.weights[place]
        slopes = self._clipped(slopes * scale) + self._decay * weights
        self.parameters.weights[place] = weights - self._rate * rate * self._change(
            self._first, self._second, place, slopes
        )
        own = self._clipped(np.array([bias], np.float32) * scale) + self._bias_decay * self.parameters.bias
        self.parameters.bias[:] -= (
            self._bias_rate * rate * self._change(self._bias_first, self._bias_second, slice(None), own)
        )

    def _clipped(self, slopes: Floats) -> Floats:
        return slopes if self._clip is None else np.clip(slopes, -self._clip, self._clip)

    def _change(self, first: Floats, second: Floats, place: Any, slopes: Floats) -> Floats:
        first[place] = moved = first[place] * np.float32(BETA_1) + slopes * np.float32(1 - BETA_1)
        second[place] = spread = second[place] * np.float32(BETA_2) + slopes * slopes * np.float32(1 - BETA_2)
        change: Floats = moved / (np.sqrt(spread) + self._tiny)
        return change


def chances_of(said: Floats) -> Floats:
    with np.errstate(over="ignore"):
        chances: Floats = np.reciprocal(1 + np.exp(-said))
    return chances


def _present(features: Floats | sp.csr_matrix) -> tuple[Rows, Any]:
    """The features that occur in these rows, and the rows with only these."""
    if isinstance(features, np.ndarray):
        return np.arange(features.shape[1]), features
    present, place = np.unique(features.indices, return_inverse=True)
    local = sp.csr_matrix((features.data, place, features.indptr), shape=(features.shape[0], len(present)))
    return present.astype(np.int64), local


def _scores(features: Any, squares: Any, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """What is said of the rows, (n,), and the sums of their factors, (n, k)."""
    sums = np.asarray(features @ weights)
    own = np.asarray(squares @ np.square(weights[:, 1:]).sum(axis=1))
    pairs = np.einsum("ij,ij->i", sums[:, 1:], sums[:, 1:]) - own
    said: Floats = bias + sums[:, 0] + np.float32(0.5) * pairs
    return said, sums[:, 1:]


def _beginning(values: Mapping[str, Any], part: str, shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    method = values[f"{part}_init_method"]
    if method == CONSTANT:
        return np.full(shape, values[f"{part}_init_value"] or 0.0, np.float32)
    if method == UNIFORM:
        scale = SCALE if values[f"{part}_init_scale"] is None else values[f"{part}_init_scale"]
        return random.uniform(-scale, scale, shape).astype(np.float32)
    return random.normal(0, values[f"{part}_init_sigma"], shape).astype(np.float32)
