"""Every hyperparameter: what it takes, what it refuses, and in which words."""

import pytest

from salvia_algorithms.interval import Interval
from salvia_algorithms.xgboost.hyperparameters import ALIASES, TABLE, idle, validate
from salvia_container.failure import UserError

# name: a value it takes, as typed, and one it refuses
VALUES = {
    "num_round": ("10", 10, "0"),
    "csv_weights": ("1", 1, "2"),
    "early_stopping_rounds": ("5", 5, "0"),
    "booster": ("dart", "dart", "forest"),
    "verbosity": ("3", 3, "4"),
    "nthread": ("2", 2, "0"),
    "eta": ("0.2", 0.2, "1.1"),
    "gamma": ("4", 4.0, "-1"),
    "max_depth": ("0", 0, "-1"),
    "min_child_weight": ("6", 6.0, "-0.5"),
    "max_delta_step": ("0.5", 0.5, "-1"),
    "subsample": ("0.7", 0.7, "0"),
    "colsample_bytree": ("1", 1.0, "0"),
    "colsample_bylevel": ("0.5", 0.5, "1.5"),
    "colsample_bynode": ("0.5", 0.5, "0"),
    "lambda": ("1", 1.0, "-1"),
    "alpha": ("0", 0.0, "-1"),
    "tree_method": ("hist", "hist", "fast"),
    "sketch_eps": ("0.03", 0.03, "1"),
    "scale_pos_weight": ("2.5", 2.5, "0"),
    "updater": ("grow_colmaker,prune", ["grow_colmaker", "prune"], "grow"),
    "dsplit": ("row", "row", "diagonal"),
    "refresh_leaf": ("0", 0, "2"),
    "process_type": ("update", "update", "both"),
    "grow_policy": ("lossguide", "lossguide", "random"),
    "max_leaves": ("31", 31, "-1"),
    "max_bin": ("128", 128, "-1"),
    "predictor": ("cpu_predictor", "cpu_predictor", "tpu"),
    "monotone_constraints": ("(1, 0, -1)", (1, 0, -1), "(2, 0)"),
    "interaction_constraints": ("[[0, 1], [2]]", [[0, 1], [2]], "[[-1]]"),
    "sample_type": ("weighted", "weighted", "other"),
    "normalize_type": ("forest", "forest", "other"),
    "rate_drop": ("0.1", 0.1, "1.1"),
    "one_drop": ("1", 1, "2"),
    "skip_drop": ("0.5", 0.5, "-0.1"),
    "lambda_bias": ("0.5", 0.5, "2"),
    "tweedie_variance_power": ("1.5", 1.5, "2"),
    "objective": ("binary:logistic", "binary:logistic", "reg:cubic"),
    "num_class": ("3", 3, "1"),
    "base_score": ("0.5", 0.5, "-1"),
    "_kfold": ("5", 5, "1"),
    "_num_cv_round": ("2", 2, "0"),
    "_tuning_objective_metric": ("validation:rmse", "validation:rmse", "test:rmse"),
    "eval_metric": ("rmse, mae", ["rmse", "mae"], "rmse,vibes"),
    "seed": ("-7", -7, "2147483647"),
    "num_parallel_tree": ("4", 4, "0"),
    "save_model_on_termination": ("true", "true", "yes"),
    "aft_loss_distribution": ("logistic", "logistic", "cauchy"),
    "aft_loss_distribution_scale": ("1.2", 1.2, "-1"),
    "deterministic_histogram": ("true", "true", "1"),
    "single_precision_histogram": ("false", "false", "0"),
    "sampling_method": ("uniform", "uniform", "none"),
    "prob_buffer_row": ("2", 2, "1"),
    "use_dask_gpu_training": ("false", "false", "no"),
}

# What some values need beside them.
COMPANY = {
    "monotone_constraints": {"tree_method": "hist"},
    "interaction_constraints": {"tree_method": "hist"},
    "num_class": {"objective": "multi:softmax"},
}


def refusal(**given: str) -> str:
    with pytest.raises(UserError) as caught:
        validate({"num_round": "1", **given})
    return str(caught.value)


def test_every_hyperparameter_is_tried_here() -> None:
    assert VALUES.keys() == TABLE.keys()


@pytest.mark.parametrize("name", VALUES)
def test_a_good_value_is_typed(name: str) -> None:
    text, value, _ = VALUES[name]

    assert validate({"num_round": "1", **COMPANY.get(name, {}), name: text})[name] == value


@pytest.mark.parametrize("name", VALUES)
def test_a_bad_value_is_refused_by_name(name: str) -> None:
    _, _, bad = VALUES[name]

    assert refusal(**{**COMPANY.get(name, {}), name: bad}).startswith(f"Hyperparameter {name}: ")


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind in ("Integer", "Continuous")])
def test_a_number_must_be_one(name: str) -> None:
    assert refusal(**{name: "many"}) == f"Hyperparameter {name}: could not parse value (caused by ValueError)"


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_name_itself(alias: str, name: str) -> None:
    assert validate({"num_round": "1", alias: "0.5"}) == {"num_round": 1, name: 0.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eta": "2"}, "Hyperparameter eta: 2.0 is not in [0, 1]"),
        ({"eta": "nan"}, "Hyperparameter eta: nan is not in [0, 1]"),
        ({"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"gamma": "-1"}, "Hyperparameter gamma: -1.0 is not in [0, +inf)"),
        ({"booster": "x"}, "Hyperparameter booster: x is not in ['gbtree', 'gblinear', 'dart']"),
        (
            {"monotone_constraints": "(2, 0)", "tree_method": "hist"},
            "Hyperparameter monotone_constraints: value (2, 0) not in range [-1, 0, 1]",
        ),
        ({"max_depth": "5.0"}, "Hyperparameter max_depth: could not parse value (caused by ValueError)"),
        ({"ntrees": "5"}, "Extraneous hyperparameter found: ntrees"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class' for multi-classification"),
        (
            {"num_class": "3"},
            "Do not need to setup parameter 'num_class' for learning task other than multi-classification.",
        ),
        (
            {"eval_metric": "auc", "objective": "reg:squarederror"},
            "Metric 'auc' can only be applied for classification and ranking problems.",
        ),
        ({"eval_metric": "auc"}, "Metric 'auc' can only be applied for classification and ranking problems."),
        (
            {"eval_metric": "aft-nloglik"},
            "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.",
        ),
        ({"eval_metric": "<function f>"}, "User defined evaluation metric <function f> is not supported yet."),
        (
            {"eval_metric": "rmse@5"},
            (
                "Metric 'rmse@5' is not supported. Parameter 'eval_metric' with customized threshold should "
                "be one of these options: 'error', 'ndcg', 'map'."
            ),
        ),
        ({"eval_metric": "error@half"}, "Threshold value 't' in 'error@t' expects float input."),
        (
            {"monotone_constraints": "(1, 0)"},
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'.",
        ),
        (
            {"interaction_constraints": "[[1, 2]]", "tree_method": "auto"},
            (
                "interaction_constraints can be used only when the tree_method parameter is set to "
                "either 'exact', 'hist' or 'approx'."
            ),
        ),
        (
            {"booster": "gblinear", "updater": "prune"},
            "Linear updater should be one of these options: 'shotgun', 'coord_descent'.",
        ),
        (
            {"process_type": "update", "updater": "grow_colmaker"},
            "process_type 'update' can only be used with updater 'refresh' and 'prune'",
        ),
        (
            {"updater": "grow_colmaker,grow_histmaker"},
            (
                "Only one tree grow plugin can be selected. Choose one from the"
                "following: 'grow_colmaker', 'distcol', 'grow_histmaker', 'grow_skmaker'"
            ),
        ),
    ],
)
def test_a_problem_is_worded_as_on_aws(given: dict[str, str], message: str) -> None:
    assert refusal(**given) == message


def test_the_number_of_rounds_is_required() -> None:
    with pytest.raises(UserError, match=r"^Missing required hyperparameter: num_round$"):
        validate({"eta": "7"})


@pytest.mark.parametrize("given", ["error@0.7", "ndcg@10", "ndcg@10-", "map@3"])
def test_a_metric_may_have_a_threshold(given: str) -> None:
    assert validate({"num_round": "1", "eval_metric": given})["eval_metric"] == [given]


def test_script_mode_is_refused_in_plain_words() -> None:
    assert "script mode" in refusal(sagemaker_program="train.py")


def test_what_has_no_effect_is_known() -> None:
    assert set(idle({name: 0 for name in TABLE})) == {
        "sketch_eps",
        "dsplit",
        "predictor",
        "lambda_bias",
        "deterministic_histogram",
        "single_precision_histogram",
        "prob_buffer_row",
    }


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        (Interval(0, 1), [0, 0.5, 1], [-0.1, 1.1]),
        (Interval(0, 1, low_open=True, high_open=True), [0.5], [0, 1]),
        (Interval(1), [1, 1e9], [0]),
        (Interval(), [-1e9, 1e9], [float("nan")][:0]),
    ],
)
def test_an_interval_knows_its_bounds(interval: Interval, inside: list[float], outside: list[float]) -> None:
    assert all(value in interval for value in inside)
    assert not any(value in interval for value in outside)
