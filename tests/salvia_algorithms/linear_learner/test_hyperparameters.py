"""Linear Learner's hyperparameters: rules between them, beside the ranges of each."""

import pytest

from salvia_algorithms.linear_learner.hyperparameters import TABLE, validate
from salvia_container.failure import UserError

BINARY = {"predictor_type": "binary_classifier"}
MANY = {"predictor_type": "multiclass_classifier", "num_classes": "5"}

# name: a value it takes, as typed, and one it refuses
VALUES = {
    "predictor_type": ("binary_classifier", "binary_classifier", "classifier"),
    "feature_dim": ("3", 3, "0"),
    "epochs": ("5", 5, "0"),
    "mini_batch_size": ("5", 5, "-1"),
    "num_models": ("auto", None, "0"),
    "loss": ("hinge_loss", "hinge_loss", "log"),
    "optimizer": ("rmsprop", "rmsprop", "adagrad"),
    "learning_rate": ("0.1", 0.1, "0"),
    "l1": ("0", 0.0, "-1"),
    "wd": ("1e-3", 0.001, "-1"),
    "momentum": ("0.9", 0.9, "1"),
    "beta_1": ("0.9", 0.9, "1"),
    "beta_2": ("0.9", 0.9, "1.5"),
    "use_lr_scheduler": ("false", False, "no"),
    "lr_scheduler_step": ("10", 10, "0"),
    "lr_scheduler_factor": ("0.5", 0.5, "1"),
    "lr_scheduler_minimum_lr": ("1e-6", 1e-6, "0"),
    "use_bias": ("False", False, "0"),
    "bias_lr_mult": ("2", 2.0, "0"),
    "bias_wd_mult": ("0", 0.0, "-1"),
    "init_method": ("normal", "normal", "xavier"),
    "init_scale": ("0.1", 0.1, "0"),
    "init_sigma": ("0.1", 0.1, "0"),
    "init_bias": ("-2", -2.0, "x"),
    "normalize_data": ("auto", None, "maybe"),
    "normalize_label": ("true", True, "1"),
    "unbias_data": ("false", False, "1"),
    "unbias_label": ("false", False, "1"),
    "num_point_for_scaler": ("10", 10, "auto"),
    "num_calibration_samples": ("10", 10, "0"),
    "binary_classifier_model_selection_criteria": ("f_beta", "f_beta", "auc"),
    "target_recall": ("0.5", 0.5, "1"),
    "target_precision": ("0.5", 0.5, "0"),
    "f_beta": ("2", 2.0, "0"),
    "positive_example_weight_mult": ("balanced", "balanced", "0"),
    "balance_multiclass_weights": ("true", True, "balanced"),
    "accuracy_top_k": ("1", 1, "0"),
    "early_stopping_patience": ("4", 4, "0"),
    "early_stopping_tolerance": ("0.1", 0.1, "0"),
    "huber_delta": ("0.1", 0.1, "0"),
    "loss_insensitivity": ("0.1", 0.1, "0"),
    "quantile": ("0.1", 0.1, "1"),
    "margin": ("0.1", 0.1, "0"),
}


@pytest.mark.parametrize("name", VALUES)
def test_every_hyperparameter_takes_what_is_in_its_range_and_nothing_else(name: str) -> None:
    taken, value, refused = VALUES[name]

    assert validate(BINARY | {name: taken})[name] == value
    with pytest.raises(UserError, match=f"On instance\\['{name}'\\]"):
        validate(BINARY | {name: refused})


def test_all_are_tested() -> None:
    assert set(VALUES) == {name for name in TABLE if not name.startswith("_")} - {"num_classes"}


@pytest.mark.parametrize(
    ("given", "loss"),
    [(BINARY, "logistic"), (MANY, "softmax_loss"), ({"predictor_type": "regressor"}, "squared_loss")],
)
def test_the_loss_follows_from_the_predictor(given: dict[str, str], loss: str) -> None:
    assert validate(given)["loss"] == loss


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"predictor_type": "multiclass_classifier"}, "num_classes"),
        (BINARY | {"num_classes": "3"}, "num_classes"),
        (BINARY | {"loss": "squared_loss"}, "loss"),
        (MANY | {"loss": "logistic"}, "loss"),
        ({"predictor_type": "regressor", "loss": "hinge_loss"}, "loss"),
        (BINARY | {"positive_example_weight_mult": "inf"}, "positive_example_weight_mult"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, str], name: str) -> None:
    with pytest.raises(UserError, match=f"On instance\\['{name}'\\]"):
        validate(given)


@pytest.mark.parametrize(("sent", "meant"), [("f1", "f_beta"), ("cross_entropy_loss", "loss_function")])
def test_the_names_of_awss_sdk_are_understood(sent: str, meant: str) -> None:
    given = BINARY | {"binary_classifier_model_selection_criteria": sent}

    assert validate(given)["binary_classifier_model_selection_criteria"] == meant


def test_top_k_is_at_most_the_number_of_classes() -> None:
    assert validate(MANY | {"accuracy_top_k": "9"})["accuracy_top_k"] == 5
