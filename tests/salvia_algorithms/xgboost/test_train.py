"""Whole jobs on small data: formats, early stopping, checkpoints, folds, constraints and every way to fail."""

import csv
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import xgboost as xgb

from salvia_container import recordio
from salvia_container.termination import Termination
from tests.salvia_algorithms.tree import as_csv
from tests.salvia_algorithms.xgboost.tree import Tree, as_libsvm, scores, small

CSV, LIBSVM = "text/csv", "text/libsvm"


def classes(rows: int, count: int) -> list[list[float]]:
    """Labels 0 to count - 1, told apart by the first feature."""
    return [[row % count, row % count + 0.1 * (row % 7), row % 5] for row in range(rows)]


def parquet(rows: list[list[Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({f"c{place}": [float(row[place]) for row in rows] for place in range(len(rows[0]))}), sink)
    return sink.getvalue()


def predictions(tree: Tree) -> list[list[float]]:
    with (tree.base / "output" / "data" / "predictions.csv").open() as file:
        return [[float(cell) for cell in row] for row in csv.reader(file)]


def dump(tree: Tree) -> list[str]:
    return xgb.Booster(model_file=str(tree.model)).get_dump()


def test_all_formats_give_the_same_model(tree: Tree) -> None:
    rows = small()
    matrix = np.array(rows, np.float32)
    features, label = matrix[:, 1:], matrix[:, 0]
    stored = sp.csr_matrix(
        (features.ravel(), np.tile(np.arange(3), len(rows)), np.arange(len(rows) + 1) * 3), (len(rows), 3)
    )
    dumps = []
    formats: list[tuple[str | bytes, str]] = [
        (as_csv(rows), CSV),
        (as_libsvm(rows), LIBSVM),
        (parquet(rows), "application/x-parquet"),
        (recordio.write_dense(features, label), "application/x-recordio-protobuf"),
        (recordio.write_sparse(stored, label), "application/x-recordio-protobuf"),
    ]
    for content, content_type in formats:
        tree.channel("train", content, content_type)
        assert tree.train() == 0, tree.failure
        dumps.append(dump(tree))

    assert all(trees == dumps[0] for trees in dumps)


def test_a_weight_counts_like_repeated_rows(tree: Tree) -> None:
    tree.hyperparameters |= {"csv_weights": "1", "base_score": "0.5", "tree_method": "exact"}
    rows = small(20)
    tree.channel("train", as_csv([row[0], 2, *row[1:]] for row in rows))
    assert tree.train() == 0
    weighted = dump(tree)
    tree.hyperparameters["csv_weights"] = "0"
    tree.channel("train", as_csv(rows + rows))

    assert tree.train() == 0

    assert dump(tree) == weighted


def test_training_stops_early_on_the_last_metric_and_keeps_the_best_model(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hyperparameters |= {"num_round": "200", "early_stopping_rounds": "3", "eval_metric": "rmse,mae", "eta": "0.5"}
    tree.channel("train", as_csv(small()))
    tree.channel("validation", as_csv(small(offset=1)), file="other")

    assert tree.train() == 0

    values = scores(capsys.readouterr().out, "validation-mae")
    best = int(np.argmin(values))
    model = xgb.Booster(model_file=str(tree.model))
    assert len(values) == best + 4 < 200
    assert (model.num_boosted_rounds(), model.attr("best_iteration")) == (best + 1, str(best))


@pytest.mark.parametrize("booster", ["dart", "gblinear"])
def test_other_boosters_stop_early_too(tree: Tree, booster: str, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"num_round": "500", "early_stopping_rounds": "2", "booster": booster, "eta": "0.9"}
    tree.channel("train", as_csv(small()))
    tree.channel("validation", as_csv(small(offset=3)), file="other")

    assert tree.train() == 0, tree.failure

    assert len(scores(capsys.readouterr().out, "validation-rmse")) < 500
    assert tree.model.exists()


def test_a_maximized_metric_stops_when_it_no_longer_grows(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {
        "num_round": "50",
        "early_stopping_rounds": "2",
        "objective": "binary:logistic",
        "eval_metric": "logloss,accuracy",
    }
    tree.channel("train", as_csv(classes(40, 2)))
    tree.channel("validation", as_csv(classes(30, 2)), file="other")

    assert tree.train() == 0

    values = scores(capsys.readouterr().out, "validation-accuracy")
    assert len(values) == int(np.argmax(values)) + 3


def test_the_tuning_objective_is_printed_and_decides(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"_tuning_objective_metric": "validation:mae", "eval_metric": "rmse"}
    tree.channel("train", as_csv(small()))
    tree.channel("validation", as_csv(small(offset=1)), file="other")

    assert tree.train() == 0

    output = capsys.readouterr().out
    assert "Setting up HPO optimized metric to be : mae" in output
    assert len(scores(output, "validation-mae")) == 3


def test_checkpoints_are_kept_and_training_goes_on_from_the_last(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.checkpoints = True
    tree.hyperparameters["num_round"] = "8"
    tree.channel("train", as_csv(small()))
    assert tree.train() == 0
    names = {path.name for path in tree.checkpoint_dir.iterdir()}
    (tree.checkpoint_dir / "xgboost-checkpoint.7").write_bytes(b"torn")
    tree.hyperparameters["num_round"] = "12"
    capsys.readouterr()

    assert tree.train() == 0

    lines = capsys.readouterr().out.splitlines()
    assert names == {f"xgboost-checkpoint.{number}" for number in range(3, 8)}
    assert any(line.endswith("Resuming from iteration 7") for line in lines)
    assert [line.split("\t")[0] for line in lines if line.startswith("[") and "\t" in line] == [
        f"[{number}]" for number in range(7, 12)
    ]
    assert xgb.Booster(model_file=str(tree.model)).num_boosted_rounds() == 12


def test_resumed_training_gives_the_model_of_an_uninterrupted_one(tree: Tree) -> None:
    tree.hyperparameters["num_round"] = "6"
    tree.channel("train", as_csv(small()))
    assert tree.train() == 0
    whole = dump(tree)
    tree.checkpoints = True
    tree.hyperparameters["num_round"] = "3"
    assert tree.train() == 0
    tree.hyperparameters["num_round"] = "6"

    assert tree.train() == 0

    assert dump(tree) == whole


def test_folds_leave_a_model_each_and_predictions_for_every_row(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"_kfold": "3", "_num_cv_round": "2"}
    tree.channel("train", as_csv(small(20)))
    tree.channel("validation", as_csv(small(10, offset=0.5)), file="other")

    assert tree.train() == 0

    rows = predictions(tree)
    output = capsys.readouterr().out
    assert sorted(path.name for path in tree.model.parent.iterdir()) == [f"xgboost-model-{fold}" for fold in range(6)]
    assert [len(row) for row in rows] == [2] * 30
    assert "Run 2-round of 3-fold cross validation with 30 rows" in output
    assert output.count("\n[3]\ttrain-rmse:") == 3  # two rounds and the whole


def test_folds_of_classes_record_their_probability(tree: Tree) -> None:
    tree.hyperparameters |= {"_kfold": "2", "objective": "multi:softprob", "num_class": "3", "max_depth": "3"}
    tree.channel("train", as_csv(classes(60, 3)))

    assert tree.train() == 0

    rows = predictions(tree)
    assert all(1 / 3 < probability <= 1 for _, probability, _ in rows)
    assert sum(true == predicted for true, _, predicted in rows) > 50


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"objective": "reg:linear"},
        {"objective": "binary:logistic", "eval_metric": "error,auc,accuracy,f1,precision,recall,balanced_accuracy"},
        {"objective": "binary:hinge"},
        {"objective": "multi:softmax", "num_class": "2", "eval_metric": "merror,mlogloss,f1_macro,precision_micro"},
        {"objective": "count:poisson"},
        {"objective": "reg:tweedie", "tweedie_variance_power": "1.2"},
        {"objective": "rank:pairwise", "eval_metric": "ndcg@2,map@2"},
        {"objective": "survival:cox"},
        {"objective": "survival:aft", "eval_metric": "aft-nloglik", "aft_loss_distribution": "logistic"},
        {"booster": "gblinear", "updater": "coord_descent", "lambda_bias": "0.1"},
        {"booster": "dart", "rate_drop": "0.2", "skip_drop": "0.5", "one_drop": "1", "normalize_type": "forest"},
        {"tree_method": "exact", "monotone_constraints": "(1, 0)"},
        {"tree_method": "hist", "monotone_constraints": "(1, 0)", "max_bin": "16"},
        {"tree_method": "approx", "interaction_constraints": "[[0], [1]]"},
        {"updater": "grow_colmaker,prune", "verbosity": "0"},
        {"grow_policy": "lossguide", "max_leaves": "4", "num_parallel_tree": "2", "colsample_bynode": "0.5"},
        {"predictor": "cpu_predictor", "dsplit": "row", "sketch_eps": "0.1", "deterministic_histogram": "true"},
        {"single_precision_histogram": "true", "prob_buffer_row": "2", "sampling_method": "uniform"},
    ],
    ids=lambda given: "-".join(given.values())[:40],
)
def test_a_job_of_each_kind_trains(tree: Tree, hyperparameters: dict[str, str]) -> None:
    tree.hyperparameters |= hyperparameters
    tree.channel("train", as_csv(classes(40, 2)))
    tree.channel("validation", as_csv(classes(20, 2)), file="other")

    assert tree.train() == 0, tree.failure

    assert xgb.Booster(model_file=str(tree.model)).num_boosted_rounds() == 3


def test_a_monotone_constraint_holds(tree: Tree) -> None:
    tree.hyperparameters |= {"tree_method": "hist", "monotone_constraints": "(-1, 0, 0)", "num_round": "5"}
    tree.channel("train", as_csv(small()))  # rises with the first feature, which is forbidden here

    assert tree.train() == 0

    features = np.array([[x, 2, 1.5] for x in range(40)], np.float32)
    assert (np.diff(xgb.Booster(model_file=str(tree.model)).predict(xgb.DMatrix(features))) <= 0).all()


def test_what_has_no_effect_is_said(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters["sketch_eps"] = "0.1"
    tree.channel("train", as_csv(small()))

    assert tree.train() == 0

    assert "Hyperparameter sketch_eps has no effect: removed from XGBoost before 3.0" in capsys.readouterr().out


def test_a_terminated_job_keeps_its_model_when_asked(tree: Tree) -> None:
    tree.hyperparameters |= {"num_round": "1000", "save_model_on_termination": "true"}
    tree.channel("train", as_csv(small()))
    termination = Termination()
    termination.requested.set()

    assert tree.train(termination) == 0

    assert xgb.Booster(model_file=str(tree.model)).num_boosted_rounds() == 1


@pytest.mark.parametrize(
    ("hyperparameters", "content", "content_type", "reason"),
    [
        ({"eta": "7"}, "1,2\n", CSV, "ClientError: Hyperparameter eta: 7.0 is not in [0, 1]"),
        ({}, "1,2\n", "text/xml", "ClientError: Channel configuration for 'train' channel is not supported: "),
        ({}, "1,2\n", LIBSVM, "ClientError: First line '1,2...' of file 'data' is not 'LIBSVM' format."),
        ({}, "", CSV, "ClientError: No data in training channel path "),
        ({}, "1,a\n", CSV, "ClientError: Failed to load csv data with exception:\ndata: row 1, column 2: 'a'"),
        ({}, "nan,1\n", CSV, "ClientError: Failed to load csv data with exception:\ndata: row 1: Label contains NaN"),
        ({"objective": "binary:logistic"}, "1,1\n3,2\n", CSV, "label must be in [0,1] for logistic regression"),
        ({"objective": "multi:softmax", "num_class": "2"}, "0,1\n5,2\n", CSV, "label must be in [0, num_class)"),
        ({"objective": "binary:logistic", "base_score": "0"}, "0,1\n1,2\n", CSV, "base_score must be in (0,1)"),
        ({"max_bin": "0"}, "0,1\n1,2\n", CSV, "`max_bin` must be equal to or greater than 2"),
        ({"tree_method": "gpu_hist"}, "0,1\n1,2\n", CSV, "ClientError: tree_method 'gpu_hist' needs a GPU"),
        ({"use_dask_gpu_training": "true"}, "0,1\n1,2\n", CSV, "ClientError: Some configurations unsuitable for Dask"),
        ({"process_type": "update", "updater": "refresh"}, "0,1\n1,2\n", CSV, "ClientError: "),
        (
            {"eval_metric": "accuracy"},
            "0.5,1\n1,2\n",
            CSV,
            "ClientError: Classification metrics can't handle continuous",
        ),
        (
            {"eval_metric": "f1_binary", "objective": "multi:softmax", "num_class": "3"},
            "0,1\n1,2\n",
            CSV,
            "ClientError: Target is multiclass but average='binary'",
        ),
    ],
)
def test_a_user_error_is_a_client_error(
    tree: Tree, hyperparameters: dict[str, str], content: str, content_type: str, reason: str
) -> None:
    tree.hyperparameters |= hyperparameters
    tree.channel("train", content, content_type)

    assert tree.train() == 2

    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure


def test_validation_data_must_have_the_columns_of_the_train_data(tree: Tree) -> None:
    tree.channel("train", "1,2,3\n2,3,4\n")
    tree.channel("validation", "1,2\n2,3\n", file="other")

    assert tree.train() == 2

    assert tree.failure.startswith("ClientError: feature_names mismatch: the validation data has 1 feature columns")


def test_an_empty_validation_channel_is_refused(tree: Tree) -> None:
    tree.channel("train", as_csv(small()))
    tree.channel("validation", "", file="other")

    assert tree.train() == 2

    assert tree.failure.startswith("ClientError: No data in validation channel path ")


def test_sparse_validation_data_may_lack_the_last_columns(tree: Tree) -> None:
    tree.channel("train", "1 0:1 5:2\n2 0:2 5:1\n", LIBSVM)
    tree.channel("validation", "1 0:1\n2 7:2\n", LIBSVM, file="other")

    assert tree.train() == 0
