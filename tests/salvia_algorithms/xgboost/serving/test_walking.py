"""What oneDAL answers to a batch is what XGBoost answers, to the last bit; and where it would not be, XGBoost does."""

import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost as xgb

from salvia_algorithms.xgboost.serving import walking
from salvia_algorithms.xgboost.serving.predicting import Predictor
from salvia_algorithms.xgboost.serving.walking import Walker

Floats = npt.NDArray[np.float32]

ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-42, -1e-42, 3e38, -3e38], np.float32)
NOW = "from now on"

needs_onedal = pytest.mark.skipif(
    importlib.util.find_spec("daal4py") is None, reason="scikit-learn-intelex has wheels for x86_64 Linux alone"
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "WORTH", 1)


def drawn(seed: int, **params: Any) -> tuple[xgb.Booster, Floats]:
    """A model of random shape, and rows for it: many of them on a threshold, or as near to one as a number can be."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(200, random.integers(1, 12))).astype(np.float32)
    rows = [rows, np.round(rows * 2), rows * np.float32(1e-42), rows * np.float32(1e30)][seed % 4]
    rows[random.random(rows.shape) < random.choice([0, 0.4])] = np.nan
    shape = {
        "max_depth": int(random.integers(1, 13)),
        "eta": float(random.choice([0.05, 0.3, 1.0])),
        "tree_method": str(random.choice(["hist", "exact"])),
        "num_parallel_tree": int(random.choice([1, 1, 3])),
        "subsample": 0.8,
    }
    model = xgb.train(
        {"nthread": 1, "seed": seed, **shape, **params},
        xgb.DMatrix(rows, _label(random, rows, params)),
        int(random.integers(1, 16)),
    )
    asked = rows[random.integers(0, len(rows), 333)]
    near = [np.nextafter(rows, np.float32(to)) for to in (-np.inf, np.inf)]
    for values, share in ((near[0], 0.2), (near[1], 0.2), (ODD, 0.1)):
        chosen = random.random(asked.shape) < share
        asked[chosen] = random.choice(values.ravel(), chosen.sum())
    return model, asked


def _label(random: np.random.Generator, rows: Floats, params: dict[str, Any]) -> npt.NDArray[Any]:
    if "num_class" in params:
        return random.integers(0, params["num_class"], len(rows))
    shown = random.random(len(rows)) + (np.nan_to_num(rows[:, 0]) > 0)
    return np.stack([shown, -shown], axis=1) if params.get("targets") else shown / 2


def identical(one: Floats | None, other: Floats) -> bool:
    return one is not None and one.shape == other.shape and one.tobytes() == other.tobytes()


@needs_onedal
@pytest.mark.parametrize(
    "params",
    [
        {"objective": "reg:squarederror"},
        {"objective": "reg:squarederror", "base_score": 1e4},
        {"objective": "reg:squarederror", "targets": True},
        {"objective": "reg:absoluteerror"},
        {"objective": "reg:pseudohubererror"},
        {"objective": "reg:squaredlogerror"},
        {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]},
        {"objective": "reg:logistic", "base_score": 0.3},
        {"objective": "reg:gamma"},
        {"objective": "reg:tweedie"},
        {"objective": "count:poisson"},
        {"objective": "survival:cox"},
        {"objective": "binary:logistic"},
        {"objective": "binary:logistic", "grow_policy": "lossguide", "max_leaves": 9, "tree_method": "hist"},
        {"objective": "binary:logitraw"},
        {"objective": "binary:hinge"},
        {"objective": "rank:pairwise"},
        {"objective": "multi:softmax", "num_class": 3},
        {"objective": "multi:softprob", "num_class": 4},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # XGBoost does not know the parameter `targets`
def test_every_bit_is_xgboosts(params: dict[str, Any]) -> None:
    for seed in range(3):
        model, asked = drawn(seed, **params)
        walker = Walker(model)
        walker.show(asked, model.inplace_predict(asked))

        for count in (333, 80, 1):
            assert identical(walker.predict(asked[-count:]), model.inplace_predict(asked[-count:])), (seed, count)


@needs_onedal
def test_a_model_that_training_went_on_with_after_its_best_round_answers_with_all_of_its_trees() -> None:
    model, asked = drawn(3, objective="binary:logistic")
    model.set_attr(best_iteration="0", best_score="0.5")
    walker = Walker(xgb.Booster(model_file=bytearray(model.save_raw("ubj"))))
    walker.show(asked, model.inplace_predict(asked))

    assert identical(walker.predict(asked), model.inplace_predict(asked))


@needs_onedal
def test_a_chain_of_splits_takes_no_more_room_than_its_nodes() -> None:
    rows = np.arange(64, dtype=np.float32)[:, None]
    params = {"tree_method": "exact", "max_depth": 60, "eta": 1, "lambda": 0, "min_child_weight": 0, "base_score": 0}
    model = xgb.train({"nthread": 1, **params}, xgb.DMatrix(rows, 3.0 ** (rows[:, 0] - 40)), 1)
    assert max(line.count("\t") for line in model.get_dump()[0].splitlines()) >= 30
    asked = np.repeat(rows, 3, axis=0)
    walker = Walker(model)
    walker.show(asked, model.inplace_predict(asked))

    assert identical(walker.predict(asked), model.inplace_predict(asked))


@needs_onedal
@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"booster": "dart", "rate_drop": 0.5}, "it is dart"),
        ({"multi_strategy": "multi_output_tree", "targets": True, "tree_method": "hist"}, "vectors as leaves"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # as above
def test_other_models_stay_with_xgboost(
    params: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model, asked = drawn(0, num_parallel_tree=1, **params)
    walker = Walker(model)
    walker.show(asked, model.inplace_predict(asked))

    assert walker.predict(asked) is None
    assert reason in capsys.readouterr().out


@needs_onedal
def test_so_do_those_with_categories() -> None:
    rows = np.random.default_rng(1).integers(0, 5, (100, 1)).astype(np.float32)
    data = xgb.DMatrix(rows, rows[:, 0] % 2, feature_types=["c"], enable_categorical=True)
    model = xgb.train({"nthread": 1, "tree_method": "hist", "max_cat_to_onehot": 1}, data, 2)
    walker = Walker(model)
    walker.show(rows, model.inplace_predict(rows))

    assert walker.predict(rows) is None


@needs_onedal
def test_so_does_one_that_answers_anything_else_than_xgboost_did() -> None:
    model, asked = drawn(2)
    walker = Walker(model)
    walker.show(asked, np.nextafter(model.inplace_predict(asked), np.float32(np.inf)))

    assert walker.predict(asked) is None


def test_so_does_every_model_where_onedal_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    model, asked = drawn(2)
    walker = Walker(model)
    walker.show(asked, model.inplace_predict(asked))

    assert walker.predict(asked) is None


@needs_onedal
def test_a_model_too_large_to_convert_stays_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_LARGEST", 100)
    model, asked = drawn(2)
    walker = Walker(model)
    walker.show(asked, model.inplace_predict(asked))

    assert walker.predict(asked) is None


@needs_onedal
def test_only_batches_of_many_rows_count_and_the_first_that_pay_are_answered_by_xgboost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(walking, "WORTH", 2 * walking.MANY)
    model, asked = drawn(2)
    batch = np.resize(asked, (walking.MANY, asked.shape[1]))
    predictor = Predictor(model)

    for _ in range(20):
        assert identical(predictor.predict(asked), model.inplace_predict(asked))
    assert identical(predictor.predict(batch), model.inplace_predict(batch))
    assert NOW not in capsys.readouterr().out
    assert identical(predictor.predict(batch), model.inplace_predict(batch))
    assert NOW in capsys.readouterr().out
    assert identical(predictor.predict(batch), model.inplace_predict(batch))


@needs_onedal
def test_rows_of_another_width_are_refused_as_before() -> None:
    model, asked = drawn(3)
    predictor = Predictor(model)
    batch = np.resize(asked, (walking.MANY, asked.shape[1]))
    predictor.predict(batch)

    with pytest.raises(xgb.core.XGBoostError):
        predictor.predict(batch[:, :-1])
