"""What LightGBM and CatBoost have in common: where data may be, and every way to fail before training begins."""

import functools
from pathlib import Path

import numpy as np
import pytest

from salvia_algorithms.lightgbm.train import train
from salvia_algorithms.tabular import data
from salvia_algorithms.tabular.entry import main
from salvia_algorithms.tabular.problem import REGRESSION
from tests.salvia_algorithms.first_party.tree import Tree

regress = functools.partial(train, problem=REGRESSION)
ROWS = "".join(f"{number},{number % 7},{number / 3:.3f}\n" for number in range(60))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml", {"num_boost_round": "2", "num_threads": "1", "verbosity": "-1"})


@pytest.mark.parametrize(
    ("files", "rows"),
    [
        ({"train/a.csv": ROWS}, (48, 12)),
        ({"training/a.csv": ROWS, "training/b.csv": ROWS}, (96, 24)),
        ({"train/train/data.csv": ROWS, "train/validation/data.csv": "1,2,3\n" * 33}, (60, 33)),
        ({"train/train/data.csv": ROWS, "validation/data.csv": ROWS}, (60, 60)),
        ({"train/a.csv": ROWS, "train/categorical_index.json": '{"cat_index_list": [1]}'}, (48, 12)),
        ({"train/a.csv": ROWS + "1,,nan\n" * 5}, (52, 13)),
    ],
)
def test_data_may_lie_in_channels_or_in_folders_of_one(
    tree: Tree, files: dict[str, str], rows: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    for path, content in files.items():
        channel, _, file = path.partition("/")
        tree.channel(channel, content, file=file)

    assert tree.train(regress) == 0, tree.failure
    trained, held_out = rows
    assert f"Training on {trained} rows of 2 features, validating with {held_out}" in capsys.readouterr().out


def test_the_held_out_fifth_is_the_same_each_time() -> None:
    rows = data.Rows(np.arange(10, dtype=np.float32), np.zeros((10, 2), np.float32))
    first, second = data.held_out(rows), data.held_out(rows)

    assert sorted([*first[0].label, *first[1].label]) == list(range(10))
    assert first[1].label.tolist() == second[1].label.tolist()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"validation/a.csv": ROWS}, "Missing required channel: train"),
        ({"train/a.csv": ""}, "No data in training channel path "),
        ({"train/a.csv": ROWS, "validation/a.csv": ""}, "No data in validation channel path "),
        ({"train/a.csv": "1\n2\n"}, "Failed to read csv data: a.csv: 1 column(s) found, the label needs one"),
        ({"train/a.csv": ROWS + "1,2\n"}, "Failed to read csv data: a.csv: row 61 has 2 columns, row 1 has 3"),
        ({"train/a.csv": "y,a,b\n" + ROWS}, "Failed to read csv data: a.csv: row 1, column 1: 'y' is not a number."),
        ({"train/a.csv": ROWS + ",1,2\n"}, "a.csv: row 61: the label is missing or not a finite number"),
        ({"train/a.csv": "1,2,3\n"}, "At least two rows are needed where there is no validation data"),
        ({"train/a.csv": ROWS, "validation/a.csv": "1,2\n"}, "The validation data has 2 columns, the training data"),
        ({"train/a.csv": ROWS, "train/categorical_index.json": "[1]"}, "categorical_index.json must be a JSON object"),
        (
            {"train/a.csv": ROWS, "train/categorical_index.json": '{"cat_index_list": [0]}'},
            "categorical_index.json must be a JSON object",
        ),
        (
            {"train/a.csv": ROWS, "train/categorical_index.json": '{"cat_index_list": [3]}'},
            "categorical_index.json: column 3 is not there, the training data has 3 columns",
        ),
    ],
)
def test_data_that_cannot_be_used_is_told_in_one_line(tree: Tree, files: dict[str, str], reason: str) -> None:
    for path, content in files.items():
        channel, _, file = path.partition("/")
        tree.channel(channel, content, file=file)

    assert tree.train(regress) == 2
    assert tree.failure.startswith("ClientError: ")
    assert reason in tree.failure
    assert len(tree.failure.splitlines()) == 1


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"ContentType": "text/libsvm"}, "Channel 'train' has ContentType text/libsvm, but the algorithm reads only"),
        ({"TrainingInputMode": "Pipe"}, "Channel 'train' has TrainingInputMode Pipe, but the algorithm reads only"),
    ],
)
def test_only_csv_files_are_read(tree: Tree, config: dict[str, str], reason: str) -> None:
    tree.channel("train", ROWS)
    tree.channels["train"] |= config

    assert tree.train(regress) == 2
    assert tree.failure.startswith(f"ClientError: {reason}")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_leaves": "1"}, "Hyperparameter 'num_leaves' must be greater than 1."),
        ({"num_leaves": "131072"}, "Hyperparameter 'num_leaves' must be less than 131072."),
        ({"bagging_freq": "-1"}, "Hyperparameter 'bagging_freq' can be no less than 0."),
        ({"bagging_fraction": "1.5"}, "Hyperparameter 'bagging_fraction' can be no greater than 1."),
        ({"max_depth": "6.5"}, "Hyperparameter 'max_depth' must be integer type ('6.5')."),
        ({"learning_rate": "fast"}, "Hyperparameter 'learning_rate' must be numeric type ('fast')."),
        ({"boosting": "gblinear"}, "Hyperparameter 'boosting' must have one of the following values: gbdt, rf, dart"),
        ({"sagemaker_program": "mine.py"}, "This image runs its algorithm, not the script mine.py."),
    ],
)
def test_a_wrong_hyperparameter_is_named_in_the_words_of_the_sdk(
    tree: Tree, changes: dict[str, str], reason: str
) -> None:
    tree.hyperparameters |= changes
    tree.channel("train", ROWS)

    assert tree.train(regress) == 2
    assert tree.failure.startswith(f"ClientError: {reason}")


def test_what_the_algorithm_does_not_have_is_let_through(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.hyperparameters |= {"num_rounds": "5", "sagemaker_program": "transfer_learning.py"}
    tree.channel("train", ROWS)

    assert tree.train(regress) == 0, tree.failure
    assert "Hyperparameter num_rounds has no effect" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["train"], ["train", "ranking"], ["taste"], []])
def test_an_image_does_what_its_commands_say(arguments: list[str]) -> None:
    from salvia_algorithms.lightgbm.serve import SERVING

    assert main(arguments, train, SERVING) == 64
