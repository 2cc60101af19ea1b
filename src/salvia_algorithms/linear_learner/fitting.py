"""The epochs: all models take every mini-batch together, as columns of one matrix; after each, how good each of them is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.source import Source
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.candidates import Candidate
from salvia_algorithms.linear_learner.losses import loss_of
from salvia_algorithms.linear_learner.optimizer import Optimizer
from salvia_algorithms.linear_learner.preparation import Preparation, checked_label
from salvia_container.failure import UserError

RECENCY = 4.0  # the mean is over about the last fifth of all steps
SAMPLE = 10_000  # rows by which the models are compared after an epoch, where a threshold has to be found for each

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`losses` (models,): means over all rows. `scores` (rows, models) and `label` of the first rows on this host."""

    losses: Doubles
    scores: Floats
    label: Floats


class Fit:
    """The models of a job while they are trained; the same on every host."""

    def __init__(
        self, values: Mapping[str, Any], preparation: Preparation, chosen: Sequence[Candidate], hosts: Collective
    ) -> None:
        self.values, self.preparation, self.chosen = values, preparation, chosen
        self.classes = values["num_classes"] if values["predictor_type"] == names.MULTICLASS else 1
        self._hosts = hosts
        self._scaling = preparation.scaling
        self.loss = loss_of(values, self._scaling.label_scale)
        self.parameters = _initial(values, preparation.features, len(chosen) * self.classes)
        self.averaged = self.parameters.copy()
        self._room = np.empty_like(self.parameters)
        self.optimizer = Optimizer(values, chosen, self.classes, self.parameters.shape)

    def epoch(self, batches: Iterable[Batch]) -> tuple[Doubles, int]:
        """One pass over the training data; returns the mean loss of each model during it, and the rows of all hosts."""
        losses, rows = np.zeros(len(self.chosen)), 0
        with np.errstate(all="ignore"):  # a model whose rate is too high overflows; it is not chosen
            for slopes, lost, count in self._together(batches):
                losses += lost
                rows += count
                self.optimizer.move(self.parameters, np.divide(slopes, np.float32(count), out=slopes))
                self._average()
        return self._in_units_of_label(losses / max(rows, 1)), rows

    def evaluate(self, source: Source) -> Evaluation:
        """How the averaged models do on a channel, by the data of all hosts."""
        return self._evaluate(source, self.averaged)

    def objective(self, source: Source, parameters: Floats) -> float:
        """The mean loss of one model, by the data of all hosts."""
        return float(self._evaluate(source, parameters).losses[0])

    def column(self, model: int) -> Floats:
        """(d + 1, classes): the averaged parameters of one model."""
        return self.averaged[:, model * self.classes : (model + 1) * self.classes].copy()

    def plain(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Weights and bias of one model for features and labels as they are."""
        return self._scaling.undone(parameters[:-1], parameters[-1])

    def from_plain(self, weight: Floats, bias: Floats) -> None:
        """All models start from this one."""
        scale, shift = self._scaling.scale[:, None], self._scaling.shift
        label = np.float32(self._scaling.label_scale)
        moved = (bias + shift @ weight - np.float32(self._scaling.label_shift)) / label
        self.parameters[:] = np.tile(np.vstack([weight * scale / label, moved[None]]), len(self.chosen))
        self.averaged[:] = self.parameters

    def _average(self) -> None:
        """Single steps are noisy, their mean is not; the last count most, and what lies far back next to nothing."""
        share = np.float32((1 + RECENCY) / (self.optimizer.steps + RECENCY))
        np.subtract(self.parameters, self.averaged, out=self._room)
        self._room *= share
        self.averaged += self._room

    def _together(self, batches: Iterable[Batch]) -> Iterator[tuple[Floats, Doubles, int]]:
        """Slopes, losses and rows of each step, summed over hosts; a host that has no more data adds nothing."""
        for batch in batches if self._hosts.size == 1 else _endless(batches):
            if batch is None:
                slopes, lost, count = np.zeros_like(self.parameters), np.zeros(len(self.chosen)), 0
            else:
                slopes, lost, count = self._slopes(batch)
            if self._hosts.size > 1:
                summed = self._hosts.sum(np.concatenate([slopes.ravel(), lost, [count]]))
                slopes = summed[: slopes.size].reshape(slopes.shape).astype(np.float32)
                lost, count = summed[slopes.size : -1], int(summed[-1])
                if not count:
                    return
            yield slopes, lost, count

    def _slopes(self, batch: Batch) -> tuple[Floats, Doubles, int]:
        label = checked_label(self.values, batch)
        features, scaling = self._features(batch)
        scores = self._scores(features, *scaling.effective(self.parameters[:-1], self.parameters[-1]))
        losses = self.loss.apply(scores, self._label(label))
        weights = self.preparation.weights_of(label)
        if weights is not None:
            losses *= weights[:, None]
            scores *= weights.reshape(-1, *[1] * (scores.ndim - 1))
        flat = scores.reshape(len(batch), -1)
        slopes = np.empty_like(self.parameters)
        ones = np.ones(len(batch), np.float32)  # sums as products: BLAS is faster at them
        total = ones @ flat
        slopes[:-1] = scaling.slope(np.asarray(features.T @ flat), total)
        slopes[-1] = total
        return slopes, (ones @ losses).astype(np.float64), len(batch)

    def _evaluate(self, source: Source, parameters: Floats) -> Evaluation:
        lost, rows = np.zeros(parameters.shape[1] // self.classes), 0
        kept: list[tuple[Floats, Floats]] = []
        with np.errstate(all="ignore"):
            for batch in source.batches(self.values["mini_batch_size"]):
                label = checked_label(self.values, batch)
                features, scaling = self._features(batch.widened(self.preparation.features))
                scores = self._scores(features, *scaling.effective(parameters[:-1], parameters[-1]))
                if rows < SAMPLE and self.classes == 1:
                    kept.append((scores.copy(), label))
                losses = self.loss.apply(scores, self._label(label))
                weights = self.preparation.weights_of(label)
                lost += (np.ones(len(batch), np.float32) if weights is None else weights) @ losses
                rows += len(batch)
        *sums, total = self._hosts.sum(np.append(lost, rows))
        if not total:
            raise UserError(f"No data in channel '{source.channel.name}': its files are empty or there are none")
        scored = np.concatenate([part for part, _ in kept]) if kept else np.empty((0, len(lost)), np.float32)
        labels = np.concatenate([part for _, part in kept]) if kept else np.empty(0, np.float32)
        return Evaluation(self._in_units_of_label(np.array(sums) / total), scored, labels)

    def _features(self, batch: Batch) -> tuple[Any, Any]:
        if self._scaling.far and isinstance(batch.features, np.ndarray):
            return self._scaling.scaled(batch.features), self._scaling.without_features()
        return batch.features, self._scaling

    def _scores(self, features: Any, weights: Floats, bias: Floats) -> Floats:
        scores = np.asarray(features @ weights)
        scores += bias
        return scores if self.classes == 1 else scores.reshape(len(scores), -1, self.classes)

    def _label(self, label: Floats) -> Floats:
        if self.values["predictor_type"] != names.REGRESSOR:
            return label
        return ((label - self._scaling.label_shift) / self._scaling.label_scale).astype(np.float32)

    def _in_units_of_label(self, losses: Doubles) -> Doubles:
        scaled: Doubles = losses * self._scaling.label_scale**self.loss.degree
        return scaled


def _endless(batches: Iterable[Batch]) -> Iterator[Batch | None]:
    yield from batches
    while True:
        yield None


def _initial(values: Mapping[str, Any], features: int, columns: int) -> Floats:
    random = np.random.default_rng(0)
    if values["init_method"] == "uniform":
        weights = random.uniform(-values["init_scale"], values["init_scale"], (features, columns))
    else:
        weights = random.normal(0, values["init_sigma"], (features, columns))
    bias = np.full((1, columns), values["init_bias"] if values["use_bias"] else 0.0)
    return np.concatenate([weights, bias]).astype(np.float32)
