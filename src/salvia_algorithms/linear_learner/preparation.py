"""What is settled before the first epoch, from the first rows of the training data: scaling, class weights, a sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from salvia_algorithms.first_party.batch import Batch, Floats, stack
from salvia_algorithms.first_party.beginning import no_data
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.source import Source
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner.scaling import Moments, Scaling, scaling_of
from salvia_container.failure import UserError


@dataclass(frozen=True, slots=True)
class Preparation:
    """`class_weights` (classes,): what a row of each class counts; None: all count the same."""

    features: int
    scaling: Scaling
    class_weights: Floats | None

    def weights_of(self, label: Floats) -> Floats | None:
        """(n,): what each row counts."""
        return None if self.class_weights is None else self.class_weights[label.astype(np.int64)]


def prepared(values: Mapping[str, Any], source: Source, hosts: Collective) -> Preparation:
    """Reads what is needed of the first pass. Raises UserError, on all hosts, when one of them has no data."""
    balanced = values["balance_multiclass_weights"] or values["positive_example_weight_mult"] == names.BALANCED
    classes = {names.MULTICLASS: values["num_classes"], names.BINARY: 2}.get(values["predictor_type"], 0)
    sample: list[Batch] = []
    rows = 0
    counts = np.zeros(classes)
    for batch in source.batches(values["mini_batch_size"]):
        label = checked_label(values, batch)
        if rows < values["num_point_for_scaler"]:
            sample.append(batch)
        if classes:
            counts += np.bincount(label.astype(np.int64), minlength=classes)
        rows += len(batch)
        if rows >= values["num_point_for_scaler"] and (not balanced or source.channel.pipe):
            break
    _agree_on_data(rows, source.feature_dim, hosts)
    features = _width(source, hosts)
    fitted = stack([batch.widened(features) for batch in sample]).slice(0, values["num_point_for_scaler"])
    assert fitted.label is not None
    moments = Moments.unpacked(hosts.sum(Moments.of(fitted.features, fitted.label).packed()))
    return Preparation(features, _scaling(values, moments), _class_weights(values, hosts.sum(counts)))


def checked_label(values: Mapping[str, Any], batch: Batch) -> Floats:
    """The labels of a batch. Raises UserError where there are none, or others than the predictor can have."""
    if batch.label is None:
        raise UserError("The data has no labels. Every record needs a label under the key 'values'.")
    kind = values["predictor_type"]
    if kind == names.REGRESSOR:
        return batch.label
    highest = 1 if kind == names.BINARY else values["num_classes"] - 1
    label = batch.label
    if label.min() < 0 or label.max() > highest or not np.array_equal(label, np.floor(label)):
        wrong = (label < 0) | (label > highest) | (label != np.floor(label))
        given = "" if kind == names.BINARY else f" (num_classes is {values['num_classes']})"
        found = float(batch.label[wrong][0])
        raise UserError(
            f"The labels of a {kind} must be whole numbers from 0 to {highest}{given}, but {found:g} was found"
        )
    return batch.label


def _agree_on_data(rows: int, features: int | None, hosts: Collective) -> None:
    found = hosts.all([rows, features])
    if any(count == 0 for count, _ in found):
        raise no_data()


def _width(source: Source, hosts: Collective) -> int:
    """The hosts' common number of features: sparse data of one may be narrower than that of another."""
    width = max(int(found) for found in hosts.all(source.feature_dim))
    source.widen(width)
    return width


def _scaling(values: Mapping[str, Any], moments: Moments) -> Scaling:
    regression = values["predictor_type"] == names.REGRESSOR
    bias = values["use_bias"]
    return scaling_of(
        moments,
        shift=bias and values["unbias_data"] is not False,
        scale=values["normalize_data"] is not False,
        shift_label=regression and bias and values["unbias_label"] is not False,
        scale_label=regression and values["normalize_label"] is not False,
    )


def _class_weights(values: Mapping[str, Any], counts: Floats) -> Floats | None:
    if values["predictor_type"] == names.MULTICLASS and values["balance_multiclass_weights"]:
        present = np.maximum(counts, 1)
        weights: Floats = (counts.sum() / (len(counts) * present)).astype(np.float32)
        return weights
    if values["predictor_type"] == names.BINARY:
        weight = values["positive_example_weight_mult"]
        if weight == names.BALANCED:
            weight = counts[0] / max(counts[1], 1) if counts[0] else 1.0
        return None if weight == 1 else np.array([1, weight], np.float32)
    return None
