"""The hyperparameters of CatBoost, as AWS documents them."""

from salvia_algorithms.first_party.hyperparameters import Hyperparameter
from salvia_algorithms.interval import Interval
from salvia_algorithms.tabular.hyperparameters import table

AUTO = "auto"
METRICS = (
    AUTO, "RMSE", "MAE", "MedianAbsoluteError", "R2", "Logloss", "Precision", "Recall", "F1", "AUC", "MultiClass",
    "Accuracy", "BalancedAccuracy",
)  # fmt: skip

_POSITIVE = Interval(0, low_open=True)

TABLE = table(
    Hyperparameter("iterations", "integer", _POSITIVE, "500"),
    Hyperparameter("early_stopping_rounds", "integer", None, "5"),
    Hyperparameter("eval_metric", "choice", METRICS, AUTO),
    Hyperparameter("learning_rate", "number", _POSITIVE, "0.009", tuned=Interval(0.001, 0.01)),
    Hyperparameter("depth", "integer", Interval(1, 16), "6", tuned=Interval(4, 10)),
    Hyperparameter("l2_leaf_reg", "integer", _POSITIVE, "3", tuned=Interval(2, 10)),
    Hyperparameter("random_strength", "number", Interval(0), "1.0", tuned=Interval(0, 10)),
    Hyperparameter("max_leaves", "integer", Interval(2, 64), "31"),
    Hyperparameter("rsm", "number", Interval(0, 1, low_open=True), "1.0"),
    Hyperparameter("sampling_frequency", "choice", ("PerTreeLevel", "PerTree"), "PerTreeLevel"),
    Hyperparameter("min_data_in_leaf", "integer", Interval(1), "1"),
    Hyperparameter("bagging_temperature", "number", Interval(0), "1.0"),
    Hyperparameter("boosting_type", "choice", ("Auto", "Ordered", "Plain"), "Auto"),
    Hyperparameter("scale_pos_weight", "number", _POSITIVE, "1.0"),
    Hyperparameter("max_bin", "integer", Interval(1, 65535), "Auto", auto=True),
    Hyperparameter("grow_policy", "choice", ("SymmetricTree", "Depthwise", "Lossguide"), "SymmetricTree"),
    Hyperparameter("random_seed", "integer", Interval(0), "1"),
    Hyperparameter("thread_count", "integer", Interval(-1), "-1"),
    Hyperparameter("verbose", "integer", Interval(1), "1"),
)
