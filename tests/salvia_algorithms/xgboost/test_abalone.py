"""The job everyone runs first: Abalone, against the figures AWS published."""

import pytest
import xgboost as xgb

from tests.salvia_algorithms.tree import as_csv
from tests.salvia_algorithms.xgboost.tree import Tree, as_libsvm, scores

# The hyperparameters of AWS's own notebook.
PUBLISHED = {
    "objective": "reg:squarederror",
    "max_depth": "5",
    "eta": "0.2",
    "gamma": "4",
    "min_child_weight": "6",
    "subsample": "0.7",
    "num_round": "50",
    "nthread": "1",
}


def test_a_held_out_part_is_predicted_as_well_as_on_aws(
    tree: Tree, abalone: list[list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hyperparameters = dict(PUBLISHED)
    tree.channel("train", as_csv(abalone[:2922]))
    tree.channel("validation", as_csv(abalone[2922:3548]))

    assert tree.train() == 0

    output = capsys.readouterr().out
    assert 1.5 < scores(output, "train-rmse")[-1] < 1.7
    assert 2.0 < scores(output, "validation-rmse")[-1] < 2.4


def test_all_rows_give_the_rmse_that_aws_published(
    tree: Tree, abalone: list[list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hyperparameters = {**PUBLISHED, "base_score": "0.5"}  # the published run is of a version that began there
    tree.channel("train", as_libsvm(abalone, first=1), "text/libsvm")

    assert tree.train() == 0

    rmse = scores(capsys.readouterr().out, "train-rmse")
    assert rmse[0] == pytest.approx(8.09, abs=0.03)
    assert rmse[49] == pytest.approx(1.706, abs=0.05)


def test_the_log_and_the_artefact_are_those_users_know(
    tree: Tree, abalone: list[list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hyperparameters = {**PUBLISHED, "num_round": "2"}
    tree.channel("train", as_csv(abalone[:300]))
    tree.channel("validation", as_csv(abalone[300:400]))

    assert tree.train() == 0

    lines = capsys.readouterr().out.splitlines()
    told = [line.split(":INFO] ")[-1] for line in lines]
    assert told[0] == "Running XGBoost Sagemaker in algorithm mode"
    assert told[1].startswith("Determined ")
    assert "Determined delimiter of CSV input is ','" in told
    assert "Single node training." in told
    assert "Train matrix has 300 rows and 8 columns" in told
    assert "Validation matrix has 100 rows" in told
    assert lines[-2].startswith("[0]\ttrain-rmse:")
    assert "\tvalidation-rmse:" in lines[-1]
    assert tree.model.read_bytes()[:2] == b"{L"
    assert xgb.Booster(model_file=str(tree.model)).num_boosted_rounds() == 2


def test_the_published_job_runs_as_a_whole(tree: Tree, abalone: list[list[float]]) -> None:
    tree.hyperparameters = dict(PUBLISHED)
    tree.channel("train", as_csv(abalone[:2922]))
    tree.channel("validation", as_csv(abalone[2922:3548]))
    environment = tree.environment()

    assert tree.train() == 0

    assert environment.model_dir.exists()
