"""Scores, against values worked out by hand."""

from typing import Any

import numpy as np
import pytest

from salvia_algorithms.linear_learner import curve
from salvia_algorithms.linear_learner.hyperparameters import validate
from salvia_algorithms.linear_learner.scores import scores


def of(given: dict[str, str], raw: list[list[float]], label: list[float], threshold: float = 0.5) -> dict[str, float]:
    """The scores of rows that come one by one."""
    rows = [(np.array([one], np.float32), np.array([its], np.float32)) for one, its in zip(raw, label, strict=True)]
    return {name: value for name, _, value in scores(validate(given), rows, threshold)}


def test_two_classes_are_counted_by_the_threshold() -> None:
    found = of({"predictor_type": "binary_classifier"}, [[0.9], [0.6], [0.55], [0.2]], [1, 0, 1, 1], threshold=0.58)

    assert found == {
        "binary_classification_accuracy": pytest.approx(1 / 4),
        "binary_f_1.000": pytest.approx(2 / 5),
        "precision": pytest.approx(1 / 2),
        "recall": pytest.approx(1 / 3),
        "roc_auc_score": pytest.approx(1 / 3),
    }


def test_many_classes_are_counted_by_the_likeliest() -> None:
    given = {"predictor_type": "multiclass_classifier", "num_classes": "4", "accuracy_top_k": "2"}
    raw = [[0.7, 0.2, 0.1, 0], [0.5, 0.4, 0.1, 0], [0.5, 0.3, 0.2, 0], [0.1, 0.8, 0.1, 0]]

    found = of(given, raw, [0, 1, 2, 1])

    assert found["multiclass_accuracy"] == pytest.approx(2 / 4)
    assert found["multiclass_top_k_accuracy_2"] == pytest.approx(3 / 4)
    assert found["macro_recall"] == found["multiclass_balanced_accuracy"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["macro_precision"] == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert found["dcg"] == pytest.approx((1 + 1 / np.log2(3) + 1 / 2 + 1) / 4)
    assert found["multiclass_log_loss"] == pytest.approx(-np.log([0.7, 0.4, 0.2, 0.8]).mean(), rel=1e-5)


def test_numbers_are_judged_by_what_they_miss() -> None:
    found = of({"predictor_type": "regressor"}, [[1], [5]], [2, 2])

    assert found == {"mse": pytest.approx(5), "absolute_loss": pytest.approx(2), "rmse": pytest.approx(5**0.5)}


def test_no_rows_have_no_scores() -> None:
    assert of({"predictor_type": "regressor"}, [], []) == {}


def area_of(score: Any, label: Any) -> float:
    """Of rows that come in two parts."""
    seen = curve.Curve()
    for part in (slice(0, 2), slice(2, None)):
        seen.add(np.array(score[part], np.float32), np.array(label[part], np.float32))
    return seen.area()


@pytest.mark.parametrize(
    ("score", "label", "area"),
    [
        ([3, 2, 1, 0], [1, 1, 0, 0], 1.0),
        ([1, 1, 1, 1], [1, 0, 1, 0], 0.5),
        ([1, 2], [1, 1], 0.5),
        ([1, 2, 2], [1, 1, 0], 0.25),
    ],
)
def test_equal_scores_count_half_for_the_area_under_the_curve(
    score: list[float], label: list[float], area: float
) -> None:
    assert area_of(score, label) == pytest.approx(area)


def test_scores_below_zero_rank_lowest() -> None:
    assert area_of([-2, -1, -0.0, 0.0, 3], [0, 1, 0, 1, 1]) == pytest.approx(4.5 / 6)


def test_the_area_of_more_scores_than_are_told_apart_is_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    score = random.normal(size=5000)
    label = random.random(5000) < 1 / (1 + np.exp(-2 * score))
    exact = area_of(score, label)
    monkeypatch.setattr(curve, "MOST_SCORES", 500)
    monkeypatch.setattr(curve, "_TOGETHER", 1000)

    assert area_of(score, label) == pytest.approx(exact, abs=1e-3)
