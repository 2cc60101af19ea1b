"""Adam, RMSProp and gradient descent with momentum, for the columns of one array that each have their own settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.linear_learner.candidates import Candidate

MOMENTUM, BETA_1, BETA_2 = 0.9, 0.9, 0.999
BIAS_RATE = 10.0  # as in AWS's artefacts
TINY = np.float32(1e-8)


class Optimizer:
    """Moves `parameters`, (d + 1, k) with the biases in the last row, against their slopes.

    There are `width` columns for each candidate, one after the other. `arrays` is all that must be kept to go on later.
    """

    def __init__(
        self, values: Mapping[str, Any], chosen: Sequence[Candidate], width: int, shape: tuple[int, int]
    ) -> None:
        def of(name: str) -> Floats:
            return np.repeat(np.array([getattr(one, name) for one in chosen], np.float32), width)

        self._kind = values["optimizer"]
        self._rate, self._l1, self._wd = of("learning_rate"), of("l1"), of("wd")
        self._step, self._factor, self._least = (
            of("lr_scheduler_step"),
            of("lr_scheduler_factor"),
            of("lr_scheduler_minimum_lr"),
        )
        self._use_bias = values["use_bias"]
        self._bias_rate = np.float32(BIAS_RATE if values["bias_lr_mult"] is None else values["bias_lr_mult"])
        self._bias_wd = np.float32(values["bias_wd_mult"] or 0.0)
        self._momentum = np.float32(MOMENTUM if values["momentum"] is None else values["momentum"])
        self._beta_1 = np.float32(BETA_1 if values["beta_1"] is None else values["beta_1"])
        self._beta_2 = np.float32(BETA_2 if values["beta_2"] is None else values["beta_2"])
        self.steps = 0
        self.arrays = {"first": np.zeros(shape, np.float32), "second": np.zeros(shape, np.float32)}
        self._room = np.empty(shape, np.float32)

    def move(self, parameters: Floats, slopes: Floats) -> None:
        """One step. `slopes` is changed."""
        self.steps += 1
        if self._wd.any():
            np.multiply(parameters, self._wd, out=self._room)
            self._room[-1] *= self._bias_wd
            slopes += self._room
        rate = np.maximum(self._rate * self._factor ** (self.steps // self._step), np.minimum(self._least, self._rate))
        change = self._change(slopes, rate)
        if self._use_bias:
            change[-1] *= self._bias_rate
        else:
            change[-1] = 0
        parameters -= change
        if self._l1.any():
            self._shrink(parameters[:-1], rate * self._l1)

    def _change(self, slopes: Floats, rate: Floats) -> Floats:
        first, second, change = self.arrays["first"], self.arrays["second"], self._room
        if self._kind == "sgd":
            first *= self._momentum
            slopes *= rate
            first += slopes
            np.copyto(change, first)
            return change
        decay = self._beta_2 if self._kind == "adam" else np.float32(0.9)
        np.multiply(slopes, slopes, out=change)
        change *= 1 - decay
        second *= decay
        second += change
        if self._kind == "adam":
            first *= self._beta_1
            slopes *= 1 - self._beta_1
            first += slopes
            slopes = first
            rate = rate * np.float32((1 - float(decay) ** self.steps) ** 0.5 / (1 - float(self._beta_1) ** self.steps))
        np.sqrt(second, out=change)
        change += TINY
        np.divide(slopes, change, out=change)
        change *= rate
        return change

    def _shrink(self, weights: Floats, by: Floats) -> None:
        room = self._room[:-1]
        np.clip(weights, -by, by, out=room)
        weights -= room
