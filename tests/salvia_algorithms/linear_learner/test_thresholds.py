"""Thresholds by every criterion."""

from typing import Any

import numpy as np
import pytest

from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.linear_learner.hyperparameters import validate
from salvia_algorithms.linear_learner.thresholds import calibrated

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1], np.float32)
LABELS = np.array([1, 1, 0, 1, 1, 0, 0, 0], np.float32)


def of(criterion: str, scores: Floats = SCORES, labels: Floats = LABELS, **more: Any) -> tuple[float, float]:
    values = validate(
        {"predictor_type": "binary_classifier", "binary_classifier_model_selection_criteria": criterion, **more}
    )
    found = calibrated(scores[:, None], labels, values)
    return float(found.threshold[0]), float(found.value[0])


@pytest.mark.parametrize(
    ("criterion", "more", "threshold", "value"),
    [
        ("accuracy", {}, 0.35, 7 / 8),
        ("f_beta", {}, 0.35, 8 / 9),
        ("f_beta", {"f_beta": "0.1"}, 0.75, 101 * 0.5 / (1 + 50)),
        ("precision_at_target_recall", {"target_recall": "0.3"}, 0.75, 1.0),
        ("precision_at_target_recall", {"target_recall": "0.9"}, 0.35, 0.8),
        ("recall_at_target_precision", {"target_precision": "0.9"}, 0.75, 0.5),
        ("recall_at_target_precision", {"target_precision": "0.6"}, 0.35, 1.0),
    ],
)
def test_each_criterion_has_its_own_best_threshold(
    criterion: str, more: dict[str, Any], threshold: float, value: float
) -> None:
    found = of(criterion, **more)

    assert found[0] == pytest.approx(threshold)
    assert found[1] == pytest.approx(value, abs=0.01)


def test_equal_scores_are_not_told_apart() -> None:
    threshold, value = of("accuracy", np.array([0.5, 0.5, 0.5, 0.1], np.float32), np.array([1, 0, 1, 0], np.float32))

    assert (0.1 < threshold < 0.5, value) == (True, 0.75)


@pytest.mark.parametrize(("label", "called"), [(0.0, 0), (1.0, 4)])
def test_data_of_one_class_is_called_that_class(label: float, called: int) -> None:
    scores = np.array([0.9, 0.6, 0.6, 0.0], np.float32)

    threshold, value = of("accuracy", scores, np.full(4, label, np.float32))

    assert ((scores > threshold).sum(), value) == (called, 1)


def test_neighbouring_numbers_are_told_apart() -> None:
    low = np.float32(0.5)
    high = np.nextafter(low, np.float32(1))

    threshold, _ = of("accuracy", np.array([high, low], np.float32), np.array([1, 0], np.float32))

    assert [bool(score > threshold) for score in (high, low)] == [True, False]
