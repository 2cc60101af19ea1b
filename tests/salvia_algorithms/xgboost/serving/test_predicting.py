"""What a model predicts here is what the library predicts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import xgboost as xgb

from salvia_algorithms.xgboost.serving.predicting import Ensemble, Predictor, load_all
from salvia_container.failure import UserError

RANDOM = np.random.default_rng(1)
ROWS = RANDOM.random((60, 5), np.float32)
ROWS[::7, 2] = np.nan


def booster(**params: Any) -> xgb.Booster:
    label = RANDOM.integers(0, params.get("num_class", 2), len(ROWS))
    return xgb.train({"nthread": 1, **params}, xgb.DMatrix(ROWS, label), 5)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "reg:squarederror"},
        {"objective": "binary:logistic"},
        {"objective": "binary:hinge"},
        {"objective": "count:poisson"},
        {"objective": "multi:softprob", "num_class": 3},
        {"objective": "multi:softmax", "num_class": 4},
        {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5},
        {"objective": "reg:squarederror", "booster": "gblinear"},
        {"objective": "reg:squarederror", "base_score": 7.0, "num_parallel_tree": 3},
    ],
    ids=str,
)
def test_dense_and_sparse_rows_are_predicted_as_the_library_does(params: dict[str, Any]) -> None:
    model = booster(**params)
    predictor = Predictor(model)
    sparse = sp.random(20, 5, 0.5, "csr", np.float32, random_state=1)

    for count in (1, 2, 60):
        assert predictor.predict(ROWS[:count]) == pytest.approx(model.predict(xgb.DMatrix(ROWS[:count])), rel=1e-6)
        if params.get("booster") != "gblinear":
            assert np.array_equal(predictor.predict(ROWS[:count]), model.inplace_predict(ROWS[:count]))
    assert np.array_equal(predictor.predict(sparse), model.predict(xgb.DMatrix(sparse)))


def test_rows_in_any_layout_are_predicted_alike() -> None:
    predictor = Predictor(booster())

    assert np.array_equal(predictor.predict(np.asfortranarray(ROWS)), predictor.predict(ROWS))
    assert np.array_equal(predictor.predict(ROWS[::2]), predictor.predict(ROWS)[::2])


def test_an_earlier_prediction_is_not_written_over_by_a_later_one() -> None:
    predictor = Predictor(booster())
    first = predictor.predict(ROWS)
    kept = first.copy()
    predictor.predict(ROWS[::-1])

    assert np.array_equal(first, kept)


def test_several_models_answer_with_their_mean_or_their_majority() -> None:
    regression = [Predictor(booster(seed=seed, subsample=0.5)) for seed in range(3)]
    classes = [Predictor(booster(objective="multi:softmax", num_class=3, seed=seed)) for seed in range(3)]
    votes = np.stack([each.predict(ROWS) for each in classes])

    mean = np.mean([each.predict(ROWS) for each in regression], axis=0)
    assert Ensemble(regression).predict(ROWS) == pytest.approx(mean)
    assert [list(column).count(won) >= 1 for column, won in zip(votes.T, Ensemble(classes).predict(ROWS), strict=True)]
    assert Ensemble(classes[:1] * 2 + classes[1:2]).predict(ROWS).tolist() == votes[0].tolist()


def test_a_folder_is_loaded_whole_or_its_first_model(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"xgboost-model-{number}").write_bytes(booster(seed=number).save_raw("ubj"))
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "code").mkdir()
    (tmp_path / "notes.txt").write_text("x")

    assert isinstance(load_all(tmp_path, together=True), Ensemble)
    assert isinstance(load_all(tmp_path, together=False), Predictor)


def test_a_folder_with_no_model_or_models_of_different_kinds_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no model"):
        load_all(tmp_path, together=True)
    (tmp_path / "xgboost-model-0").write_bytes(booster().save_raw("ubj"))
    (tmp_path / "xgboost-model-1").write_bytes(booster(objective="binary:logistic").save_raw("ubj"))
    with pytest.raises(UserError, match="different kinds"):
        load_all(tmp_path, together=True)


def test_any_one_file_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(booster().save_raw("json"))

    assert load_all(tmp_path, together=True).features == 5
