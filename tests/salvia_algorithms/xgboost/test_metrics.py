"""SageMaker's own metrics, against values worked out by hand, and the table the platform reads."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest
import xgboost as xgb

from salvia_algorithms.xgboost import metrics
from salvia_algorithms.xgboost.metric_names import MAXIMIZE, MINIMIZE, maximized
from salvia_container.failure import UserError


def constant(margins: list[float], labels: list[float]) -> tuple[xgb.Booster, xgb.DMatrix]:
    """A model that predicts just these margins: one feature, told apart row by row."""
    matrix = xgb.DMatrix(np.zeros((len(labels), 1)), label=labels, base_margin=margins)
    return xgb.train({"objective": "binary:logistic", "max_depth": 1, "eta": 0}, matrix, 1), matrix


def values(margins: list[float], labels: list[float], *names: str) -> dict[str, float]:
    model, matrix = constant(margins, labels)
    return metrics.evaluate(names, model, matrix, 2)


def test_classes_are_counted_by_the_sign_of_the_margin() -> None:
    # true 1, 1, 1, 0, 0; predicted 1, 1, 0, 1, 0
    found = values(
        [2, 1, -1, 3, -2], [1, 1, 1, 0, 0], "accuracy", "precision", "recall", "f1_binary", "balanced_accuracy", "f1"
    )

    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1_binary"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_averages_over_classes_leave_out_classes_that_never_occur() -> None:
    counts = np.array([[2.0, 0, 0], [1, 3, 0], [0, 0, 0]])

    assert metrics.BY_CLASS["precision_macro"](counts) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.BY_CLASS["recall_macro"](counts) == pytest.approx((1 + 3 / 4) / 2)
    assert metrics.BY_CLASS["precision_micro"](counts) == pytest.approx(5 / 6)
    assert metrics.BY_CLASS["recall_micro"](counts) == pytest.approx(5 / 6)


def test_nothing_predicted_scores_zero() -> None:
    assert values([-1, -1], [1, 0], "precision", "f1_binary") == {"precision": 0.0, "f1_binary": 0.0}


def test_regression_metrics_follow_from_sums() -> None:
    label, predicted = np.array([1, 2, 4], np.float32), np.array([1, 3, 2], np.float32)
    sums = metrics._residuals(predicted, label)

    assert metrics.BY_PREDICTION["mse"](sums) == pytest.approx(5 / 3)
    assert metrics.BY_PREDICTION["mae"](sums) == pytest.approx(1)
    assert metrics.BY_PREDICTION["rmse"](sums) == pytest.approx((5 / 3) ** 0.5)
    assert metrics.BY_PREDICTION["r2"](sums) == pytest.approx(1 - 5 / (14 / 3))


def test_binary_averages_refuse_several_classes() -> None:
    with pytest.raises(UserError, match="Target is multiclass but average='binary'"):
        metrics.BY_CLASS["f1_binary"](np.eye(3))


def test_class_metrics_refuse_labels_that_are_no_classes() -> None:
    with pytest.raises(UserError, match="labels must be whole numbers from 0 to 1"):
        metrics._confusion(np.array([1.0], np.float32), np.array([0.5], np.float32), 2)


def test_directions_ignore_thresholds() -> None:
    assert maximized("ndcg@5")
    assert not maximized("error@0.3")


def test_the_platform_reads_the_same_metrics_as_data() -> None:
    table = json.loads(files("salvia_algorithms.xgboost").joinpath("metrics.json").read_text())["metrics"]

    better = {metric["name"]: metric["better"] for metric in table}
    assert better == {
        f"{channel}:{name}": direction
        for channel in ("train", "validation")
        for direction, names in (("Maximize", MAXIMIZE), ("Minimize", MINIMIZE))
        for name in names
    }


@pytest.mark.parametrize(
    ("name", "value"), [("train:rmse", "1.5"), ("validation:rmse", "2.5"), ("validation:r2", "-0.25")]
)
def test_a_regex_finds_its_metric_in_a_line_of_the_log(name: str, value: str) -> None:
    table = json.loads(files("salvia_algorithms.xgboost").joinpath("metrics.json").read_text())["metrics"]
    regex = next(metric["regex"] for metric in table if metric["name"] == name)

    found = re.search(regex, "[7]#011train-rmse:1.5#011train-r2:0.5#011validation-rmse:2.5#011validation-r2:-0.25")

    assert found is not None
    assert found[1] == value
