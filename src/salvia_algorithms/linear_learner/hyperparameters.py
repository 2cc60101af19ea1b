"""Linear Learner's hyperparameters: types, ranges, defaults and mutual rules, as AWS's container has them."""

from collections.abc import Mapping
from typing import Any

from salvia_algorithms.first_party import hyperparameters
from salvia_algorithms.first_party.hyperparameters import Hyperparameter, not_valid, table
from salvia_algorithms.interval import Interval

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
LOGISTIC, HINGE, SOFTMAX, SQUARED = "logistic", "hinge_loss", "softmax_loss", "squared_loss"
ABSOLUTE, QUANTILE, HUBER = "absolute_loss", "quantile_loss", "huber_loss"
EPS_SQUARED, EPS_ABSOLUTE = "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss"
LOSSES = {  # the first is what "auto" means
    BINARY: (LOGISTIC, HINGE),
    MULTICLASS: (SOFTMAX, HINGE),
    REGRESSOR: (SQUARED, ABSOLUTE, EPS_SQUARED, EPS_ABSOLUTE, QUANTILE, HUBER),
}
ACCURACY, F_BETA, LOSS_FUNCTION = "accuracy", "f_beta", "loss_function"
PRECISION_AT_RECALL, RECALL_AT_PRECISION = "precision_at_target_recall", "recall_at_target_precision"
CRITERIA = (ACCURACY, F_BETA, PRECISION_AT_RECALL, RECALL_AT_PRECISION, LOSS_FUNCTION)
CLIENT_CRITERIA = {"f1": F_BETA, "cross_entropy_loss": LOSS_FUNCTION}  # names that AWS's SDK sends, too
OPTIMIZERS = ("sgd", "adam", "rmsprop")
BALANCED = "balanced"

_POSITIVE = Interval(0, low_open=True)
_NATURAL = Interval(0)
_COUNT = Interval(1)
_INSIDE = Interval(0, 1, low_open=True, high_open=True)
_DECAY = Interval(0, 1, high_open=True)

TABLE = table(
    Hyperparameter("predictor_type", "choice", (BINARY, MULTICLASS, REGRESSOR), required=True),
    Hyperparameter("num_classes", "integer", Interval(1, 1_000_000), "1"),
    Hyperparameter("feature_dim", "integer", _COUNT, "auto", auto=True),
    Hyperparameter("epochs", "integer", _COUNT, "15"),
    Hyperparameter("mini_batch_size", "integer", _COUNT, "1000", tuned=Interval(100, 5000)),
    Hyperparameter("num_models", "integer", _COUNT, "auto", auto=True),
    Hyperparameter("loss", "choice", tuple(dict.fromkeys(sum(LOSSES.values(), ()))), "auto", auto=True),
    Hyperparameter("optimizer", "choice", OPTIMIZERS, "auto", auto=True),
    Hyperparameter("learning_rate", "number", _POSITIVE, "auto", auto=True, tuned=Interval(1e-5, 1)),
    Hyperparameter("l1", "number", _NATURAL, "auto", auto=True, tuned=Interval(1e-7, 1)),
    Hyperparameter("wd", "number", _NATURAL, "auto", auto=True, tuned=Interval(1e-7, 1)),
    Hyperparameter("momentum", "number", _DECAY, "auto", auto=True),
    Hyperparameter("beta_1", "number", _DECAY, "auto", auto=True),
    Hyperparameter("beta_2", "number", _DECAY, "auto", auto=True),
    Hyperparameter("use_lr_scheduler", "flag", default="true"),
    Hyperparameter("lr_scheduler_step", "integer", _COUNT, "auto", auto=True),
    Hyperparameter("lr_scheduler_factor", "number", _INSIDE, "auto", auto=True),
    Hyperparameter("lr_scheduler_minimum_lr", "number", _POSITIVE, "auto", auto=True),
    Hyperparameter("use_bias", "flag", default="true", tuned=("true", "false")),
    Hyperparameter("bias_lr_mult", "number", _POSITIVE, "auto", auto=True),
    Hyperparameter("bias_wd_mult", "number", _NATURAL, "auto", auto=True),
    Hyperparameter("init_method", "choice", ("uniform", "normal"), "uniform"),
    Hyperparameter("init_scale", "number", _POSITIVE, "0.07"),
    Hyperparameter("init_sigma", "number", _POSITIVE, "0.01"),
    Hyperparameter("init_bias", "number", None, "0.0"),
    Hyperparameter("normalize_data", "flag", default="true", auto=True),
    Hyperparameter("normalize_label", "flag", default="auto", auto=True),
    Hyperparameter("unbias_data", "flag", default="auto", auto=True),
    Hyperparameter("unbias_label", "flag", default="auto", auto=True),
    Hyperparameter("num_point_for_scaler", "integer", _COUNT, "10000"),
    Hyperparameter("num_calibration_samples", "integer", _COUNT, "10000000", auto=True),
    Hyperparameter("binary_classifier_model_selection_criteria", "choice", (*CRITERIA, *CLIENT_CRITERIA), ACCURACY),
    Hyperparameter("target_recall", "number", _INSIDE, "0.8"),
    Hyperparameter("target_precision", "number", _INSIDE, "0.8"),
    Hyperparameter("f_beta", "number", _POSITIVE, "1.0"),
    Hyperparameter("positive_example_weight_mult", "text", None, "1.0", auto=True, tuned=Interval(1e-5, 1e5)),
    Hyperparameter("balance_multiclass_weights", "flag", default="false"),
    Hyperparameter("accuracy_top_k", "integer", _COUNT, "3"),
    Hyperparameter("early_stopping_patience", "integer", _COUNT, "3"),
    Hyperparameter("early_stopping_tolerance", "number", _POSITIVE, "0.001"),
    Hyperparameter("huber_delta", "number", _POSITIVE, "1.0"),
    Hyperparameter("loss_insensitivity", "number", _POSITIVE, "0.01"),
    Hyperparameter("quantile", "number", _INSIDE, "0.5"),
    Hyperparameter("margin", "number", _POSITIVE, "1.0"),
)


def validate(given: Mapping[str, str]) -> dict[str, Any]:
    """Typed values of all hyperparameters; `loss` and `optimizer` are settled. Raises UserError for the first problem."""
    return settled(hyperparameters.validate(TABLE, given))


def settled(values: dict[str, Any]) -> dict[str, Any]:
    """What follows from the values together. Raises UserError where they do not go together."""
    kind = values["predictor_type"]
    if kind == MULTICLASS and values["num_classes"] < 3:
        raise not_valid("num_classes", str(values["num_classes"]), f"an integer in [3, 1000000] for a {MULTICLASS}")
    if kind != MULTICLASS and values["num_classes"] > 2:
        raise not_valid("num_classes", str(values["num_classes"]), f"only a {MULTICLASS} has more than 2 classes")
    if values["loss"] is None:
        values["loss"] = LOSSES[kind][0]
    if values["loss"] not in LOSSES[kind]:
        names = ", ".join(repr(loss) for loss in ("auto", *LOSSES[kind]))
        raise not_valid("loss", values["loss"], f"one of {names} for a {kind}")
    if kind == MULTICLASS and values["accuracy_top_k"] > values["num_classes"]:
        values["accuracy_top_k"] = values["num_classes"]
    values["positive_example_weight_mult"] = _weight(values["positive_example_weight_mult"])
    criterion = values["binary_classifier_model_selection_criteria"]
    values["binary_classifier_model_selection_criteria"] = CLIENT_CRITERIA.get(criterion, criterion)
    if criterion == "f1":
        values["f_beta"] = 1.0
    values["optimizer"] = values["optimizer"] or "adam"
    return values


def _weight(text: str | None) -> float | str:
    if text is None:
        return 1.0
    if text == BALANCED:
        return BALANCED
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise not_valid("positive_example_weight_mult", text, "'balanced', 'auto' or a number in (0, +inf)")
    return weight
