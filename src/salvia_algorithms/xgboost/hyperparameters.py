"""XGBoost's hyperparameters: their types, ranges and mutual rules, checked in the order and words of AWS's container."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salvia_algorithms.interval import Interval
from salvia_algorithms.xgboost.metric_names import MAXIMIZE, MINIMIZE
from salvia_container.failure import UserError

Range = Interval | tuple[Any, ...] | None
Check = Callable[[Any, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One row of the table. `kind` says how its string is read; `tuned` is the recommended range for tuning.

    `default` is what holds when it is not given, in the documentation's words. `idle` is why it has no effect in
    XGBoost 3.0.5, or "". `check` gets the value and all validated ones.
    """

    name: str
    kind: str
    range: Range = None
    default: str = ""
    required: bool = False
    tuned: Interval | None = None
    idle: str = ""
    check: Check | None = None


def validate(given: Mapping[str, str]) -> dict[str, Any]:
    """Typed hyperparameters under their canonical names. Raises UserError for the first problem, as AWS words it."""
    named = {ALIASES.get(name, name): value for name, value in given.items()}
    for row in TABLE.values():
        if row.required and row.name not in named:
            raise UserError(f"Missing required hyperparameter: {row.name}")
    values = {name: _parse(name, text) for name, text in named.items()}
    for name, value in values.items():
        _check_range(TABLE[name], value)
    for name, value in values.items():
        check = TABLE[name].check
        if check is not None:
            check(value, values)
    return values


def idle(values: Mapping[str, Any]) -> dict[str, str]:
    """Which of these have no effect, and why."""
    return {name: TABLE[name].idle for name in values if TABLE[name].idle}


def _parse(name: str, text: str) -> Any:
    if name in SCRIPT_MODE:
        raise UserError(
            f"Hyperparameter {name}: script mode is not available in this image. "
            "Use the built-in algorithm, without an entry point"
        )
    if name not in TABLE:
        raise UserError(f"Extraneous hyperparameter found: {name}")
    try:
        return PARSERS[TABLE[name].kind](text)
    except (ValueError, SyntaxError, TypeError) as error:
        raise UserError(f"Hyperparameter {name}: could not parse value", caused_by=error) from error


def _integers(text: str) -> tuple[int, ...]:
    value = ast.literal_eval(text.strip())
    whole = (value,) if isinstance(value, int) else tuple(value)  # "(1)" is a number in Python
    if not all(isinstance(element, int) for element in whole):
        raise ValueError(text)
    return whole


def _nested(text: str) -> list[list[int]]:
    value = ast.literal_eval(text.strip())
    if not all(isinstance(element, int) for group in value for element in group):
        raise ValueError(text)
    return [list(group) for group in value]


PARSERS: dict[str, Callable[[str], Any]] = {
    "Integer": int,
    "Continuous": float,
    "Categorical": str,
    "List": lambda text: [element.strip() for element in text.split(",")],
    "Tuple": _integers,
    "Nested": _nested,
}


def _check_range(row: Hyperparameter, value: Any) -> None:
    if row.range is None:
        return
    if row.kind == "List":
        accepted = all(
            _known_metric(element) if row.name == "eval_metric" else element in row.range for element in value
        )
    elif row.kind == "Tuple":
        accepted = all(element in row.range for element in value)
    elif row.kind == "Nested":
        accepted = all(element in row.range for group in value for element in group)
    elif value in row.range:
        return
    else:
        raise UserError(f"Hyperparameter {row.name}: {value} is not in {_shown(row.range)}")
    if not accepted:
        raise UserError(f"Hyperparameter {row.name}: value {value} not in range {_shown(row.range)}")


def _shown(allowed: Range) -> str:
    return str(list(allowed)) if isinstance(allowed, tuple) else str(allowed)


def _known_metric(metric: str) -> bool:
    if "<function" in metric:
        raise UserError(f"User defined evaluation metric {metric} is not supported yet.")
    if "@" not in metric:
        return metric in METRICS
    name, threshold = (part.strip() for part in metric.split("@", 1))
    if name not in ("error", "ndcg", "map"):
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized threshold should "
            "be one of these options: 'error', 'ndcg', 'map'."
        )
    try:
        float(threshold.rstrip("-") if name != "error" else threshold)  # ndcg@5- counts empty lists as 0
    except ValueError:
        raise UserError(f"Threshold value 't' in '{name}@t' expects float input.") from None
    return True


def _check_objective(value: str, others: Mapping[str, Any]) -> None:
    if value.startswith("multi:") and "num_class" not in others:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if value == "aft_loss_distribution":
        raise UserError("Objective 'aft_loss_distribution' is a parameter of 'survival:aft', not an objective.")


def _check_num_class(_value: int, others: Mapping[str, Any]) -> None:
    if not others.get("objective", DEFAULT_OBJECTIVE).startswith("multi:"):
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")


def _check_eval_metric(value: list[str], others: Mapping[str, Any]) -> None:
    objective = others.get("objective", DEFAULT_OBJECTIVE)
    if "auc" in value and not objective.startswith(("binary:", "rank:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in value and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def _check_monotone(_value: tuple[int, ...], others: Mapping[str, Any]) -> None:
    if others.get("tree_method") not in ("exact", "hist"):
        raise UserError(
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'."
        )


def _check_interaction(_value: list[list[int]], others: Mapping[str, Any]) -> None:
    if others.get("tree_method") not in ("exact", "hist", "approx"):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter is set to "
            "either 'exact', 'hist' or 'approx'."
        )


def _check_updater(value: list[str], others: Mapping[str, Any]) -> None:
    if others.get("booster") == "gblinear":
        if len(value) != 1 or value[0] not in LINEAR_UPDATERS:
            raise UserError("Linear updater should be one of these options: 'shotgun', 'coord_descent'.")
        return
    if others.get("process_type") == "update":
        if not all(updater in UPDATE_UPDATERS for updater in value):
            raise UserError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
        return
    if not all(updater in TREE_UPDATERS for updater in value):
        raise UserError(
            "Tree updater should be selected from these options: 'grow_colmaker', 'distcol', 'grow_histmaker', "
            "'grow_skmaker', 'grow_quantile_histmaker', 'sync', 'refresh', 'prune', 'shortgun', 'coord_descent'."
        )
    if sum(updater in GROWING_UPDATERS for updater in value) > 1:
        raise UserError(
            "Only one tree grow plugin can be selected. Choose one from the"
            "following: 'grow_colmaker', 'distcol', 'grow_histmaker', 'grow_skmaker'"
        )
    removed = [updater for updater in value if updater in ("distcol", "grow_skmaker")]
    if removed:
        raise UserError(f"Tree updater '{removed[0]}' was removed from XGBoost; use 'grow_quantile_histmaker'.")


def _check_sampling(value: str, _others: Mapping[str, Any]) -> None:
    if value == "gradient_based":
        raise UserError("sampling_method 'gradient_based' is only supported on GPU instances. Use 'uniform'.")


DEFAULT_OBJECTIVE = "reg:squarederror"
METRICS = MAXIMIZE + MINIMIZE
ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}
SCRIPT_MODE = ("sagemaker_program", "sagemaker_submit_directory")
LINEAR_UPDATERS = ("shotgun", "coord_descent")
UPDATE_UPDATERS = ("refresh", "prune")
GROWING_UPDATERS = ("grow_colmaker", "distcol", "grow_histmaker", "grow_quantile_histmaker")
TREE_UPDATERS = (*GROWING_UPDATERS, "grow_skmaker", "sync", "refresh", "prune")
UPDATERS = (*TREE_UPDATERS, *LINEAR_UPDATERS)
BOOLEANS = ("true", "false")
OBJECTIVES = (
    "aft_loss_distribution",
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "reg:linear",
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)

_FRACTION = Interval(0, 1)
_SHARE = Interval(0, 1, low_open=True)
_FLAG = Interval(0, 1)
_NATURAL = Interval(0)
_POSITIVE = Interval(1)
_REMOVED = "removed from XGBoost before 3.0"

_ROWS = (
    Hyperparameter("num_round", "Integer", _POSITIVE, required=True, tuned=Interval(1, 4000)),
    Hyperparameter("csv_weights", "Integer", _FLAG, "0"),
    Hyperparameter("early_stopping_rounds", "Integer", _POSITIVE, "-"),
    Hyperparameter("booster", "Categorical", ("gbtree", "gblinear", "dart"), "gbtree"),
    Hyperparameter("verbosity", "Integer", Interval(0, 3), "1"),
    Hyperparameter("nthread", "Integer", _POSITIVE, "the instance's vCPUs"),
    Hyperparameter("eta", "Continuous", _FRACTION, "0.3", tuned=Interval(0.1, 0.5)),
    Hyperparameter("gamma", "Continuous", _NATURAL, "0", tuned=Interval(0, 5)),
    Hyperparameter("max_depth", "Integer", _NATURAL, "6", tuned=Interval(0, 10)),
    Hyperparameter("min_child_weight", "Continuous", _NATURAL, "1", tuned=Interval(0, 120)),
    Hyperparameter("max_delta_step", "Continuous", _NATURAL, "0", tuned=Interval(0, 10)),
    Hyperparameter("subsample", "Continuous", _SHARE, "1", tuned=Interval(0.5, 1)),
    Hyperparameter("colsample_bytree", "Continuous", _SHARE, "1", tuned=Interval(0.5, 1)),
    Hyperparameter("colsample_bylevel", "Continuous", _SHARE, "1", tuned=Interval(0.1, 1)),
    Hyperparameter("colsample_bynode", "Continuous", _SHARE, "1", tuned=Interval(0.1, 1)),
    Hyperparameter("lambda", "Continuous", _NATURAL, "1", tuned=Interval(0, 1000)),
    Hyperparameter("alpha", "Continuous", _NATURAL, "0", tuned=Interval(0, 1000)),
    Hyperparameter("tree_method", "Categorical", ("auto", "exact", "approx", "hist", "gpu_hist"), "auto"),
    Hyperparameter("sketch_eps", "Continuous", Interval(0, 1, True, True), "0.03", idle=_REMOVED),
    Hyperparameter("scale_pos_weight", "Continuous", Interval(0, low_open=True), "1"),
    Hyperparameter("updater", "List", UPDATERS, "by tree_method", check=_check_updater),
    Hyperparameter("dsplit", "Categorical", ("row", "col"), "row", idle="rows are split by how the channel is sharded"),
    Hyperparameter("refresh_leaf", "Integer", _FLAG, "1"),
    Hyperparameter("process_type", "Categorical", ("default", "update"), "default"),
    Hyperparameter("grow_policy", "Categorical", ("depthwise", "lossguide"), "depthwise"),
    Hyperparameter("max_leaves", "Integer", _NATURAL, "0"),
    Hyperparameter("max_bin", "Integer", _NATURAL, "256"),
    Hyperparameter("predictor", "Categorical", ("auto", "cpu_predictor", "gpu_predictor"), "auto", idle=_REMOVED),
    Hyperparameter("monotone_constraints", "Tuple", (-1, 0, 1), "none", check=_check_monotone),
    Hyperparameter("interaction_constraints", "Nested", _NATURAL, "none", check=_check_interaction),
    Hyperparameter("sample_type", "Categorical", ("uniform", "weighted"), "uniform"),
    Hyperparameter("normalize_type", "Categorical", ("tree", "forest"), "tree"),
    Hyperparameter("rate_drop", "Continuous", _FRACTION, "0.0"),
    Hyperparameter("one_drop", "Integer", _FLAG, "0"),
    Hyperparameter("skip_drop", "Continuous", _FRACTION, "0.0"),
    Hyperparameter("lambda_bias", "Continuous", _FRACTION, "0", idle=_REMOVED),
    Hyperparameter("tweedie_variance_power", "Continuous", Interval(1, 2, True, True), "1.5"),
    Hyperparameter("objective", "Categorical", OBJECTIVES, DEFAULT_OBJECTIVE, check=_check_objective),
    Hyperparameter("num_class", "Integer", Interval(2), "required for multi:*", check=_check_num_class),
    Hyperparameter("base_score", "Continuous", _NATURAL, "estimated from the labels"),
    Hyperparameter("_kfold", "Integer", Interval(2), "-"),
    Hyperparameter("_num_cv_round", "Integer", _POSITIVE, "1"),
    Hyperparameter("_tuning_objective_metric", "Categorical", tuple(f"validation:{name}" for name in METRICS), "-"),
    Hyperparameter("eval_metric", "List", METRICS, "by objective", check=_check_eval_metric),
    Hyperparameter("seed", "Integer", Interval(-(2**31), 2**31 - 1, True, True), "0"),
    Hyperparameter("num_parallel_tree", "Integer", _POSITIVE, "1"),
    Hyperparameter("save_model_on_termination", "Categorical", BOOLEANS, "false"),
    Hyperparameter("aft_loss_distribution", "Categorical", ("normal", "logistic", "extreme"), "normal"),
    Hyperparameter("aft_loss_distribution_scale", "Continuous", _NATURAL, "1"),
    Hyperparameter(
        "deterministic_histogram", "Categorical", BOOLEANS, "true", idle="histograms are always deterministic"
    ),
    Hyperparameter("single_precision_histogram", "Categorical", BOOLEANS, "false", idle=_REMOVED),
    Hyperparameter("sampling_method", "Categorical", ("uniform", "gradient_based"), "uniform", check=_check_sampling),
    Hyperparameter("prob_buffer_row", "Integer", Interval(1.0, low_open=True), "1", idle=_REMOVED),
    Hyperparameter("use_dask_gpu_training", "Categorical", BOOLEANS, "false"),
)
TABLE = {row.name: row for row in _ROWS}
