"""The hyperparameters of LightGBM, as AWS documents them."""

from salvia_algorithms.first_party.hyperparameters import Hyperparameter
from salvia_algorithms.interval import Interval
from salvia_algorithms.tabular.hyperparameters import table

AUTO = "auto"
METRICS = (
    AUTO, "rmse", "l1", "l2", "huber", "fair", "binary_logloss", "binary_error", "auc", "average_precision",
    "multi_logloss", "multi_error", "auc_mu", "cross_entropy",
)  # fmt: skip

_POSITIVE, _NOT_NEGATIVE = Interval(1), Interval(0)
_SHARE = Interval(0, 1, low_open=True)

TABLE = table(
    Hyperparameter("num_boost_round", "integer", _POSITIVE, "100"),
    Hyperparameter("early_stopping_rounds", "integer", None, "10"),
    Hyperparameter("metric", "choice", METRICS, AUTO),
    Hyperparameter("learning_rate", "number", _SHARE, "0.1", tuned=Interval(0.001, 0.01)),
    Hyperparameter(
        "num_leaves", "integer", Interval(1, 131072, low_open=True, high_open=True), "64", tuned=Interval(10, 100)
    ),
    Hyperparameter("feature_fraction", "number", _SHARE, "0.9", tuned=Interval(0.1, 1.0)),
    Hyperparameter("bagging_fraction", "number", _SHARE, "0.9", tuned=Interval(0.1, 1.0)),
    Hyperparameter("bagging_freq", "integer", _NOT_NEGATIVE, "1", tuned=Interval(0, 10)),
    Hyperparameter("max_depth", "integer", None, "6", tuned=Interval(15, 100)),
    Hyperparameter("min_data_in_leaf", "integer", _NOT_NEGATIVE, "3", tuned=Interval(10, 200)),
    Hyperparameter("max_delta_step", "number", None, "0.0"),
    Hyperparameter("lambda_l1", "number", _NOT_NEGATIVE, "0.0"),
    Hyperparameter("lambda_l2", "number", _NOT_NEGATIVE, "0.0"),
    Hyperparameter("boosting", "choice", ("gbdt", "rf", "dart", "goss"), "gbdt"),
    Hyperparameter("min_gain_to_split", "number", _NOT_NEGATIVE, "0.0"),
    Hyperparameter("scale_pos_weight", "number", Interval(0, low_open=True), "1.0"),
    Hyperparameter("tree_learner", "choice", ("serial", "feature", "data", "voting"), "serial"),
    Hyperparameter("feature_fraction_bynode", "number", _SHARE, "1.0"),
    Hyperparameter("is_unbalance", "choice", ("True", "False"), "False"),
    Hyperparameter("max_bin", "integer", Interval(1, low_open=True), "255"),
    Hyperparameter(
        "tweedie_variance_power", "number", Interval(1, 2, high_open=True), "1.5",
        idle="the objective of regression is the squared error",
    ),
    Hyperparameter("num_threads", "integer", _NOT_NEGATIVE, "0"),
    Hyperparameter("verbosity", "integer", None, "1"),
    Hyperparameter("use_dask", "choice", ("True", "False"), "False", idle="instances find each other without Dask"),
)  # fmt: skip
