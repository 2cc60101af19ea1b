"""Batches of many rows: oneDAL walks them through a model's trees in a third to two thirds of XGBoost's time, to the same answers."""

import importlib
import importlib.util
import json
import os
import sys
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from salvia_container import log

Floats = npt.NDArray[np.float32]

MANY = 1000  # rows of a batch that is worth the trouble
WORTH = 30_000  # rows that XGBoost walks in the time that a model's conversion takes
_LARGEST = 8 << 20  # bytes of JSON, some 130,000 nodes: beyond it a conversion would take seconds
_LEAF = -1  # in place of a child, in XGBoost's models


class Walker:
    """Answers for one booster as soon as it has been shown enough rows for the conversion of its trees to pay.

    The same answers, to the last bit: XGBoost adds up in float32 the base score and a row's leaves, tree by tree, and so does
    oneDAL when the base score stands first, as a tree of one leaf. What makes a prediction of that sum, of any objective, stays with
    XGBoost, which is given it as the base margin of the model without its trees. What this cannot be said of (dart,
    categories, leaves that are vectors) is not converted; and a conversion is only used after it has answered a whole batch as XGBoost did.
    """

    def __init__(self, booster: xgb.Booster) -> None:
        self._booster: xgb.Booster | None = booster  # None when its fate is decided
        self._features: int = booster.num_features()
        self._converted: _Converted | None = None
        self._seen = 0

    def predict(self, rows: Floats) -> Floats | None:
        """The scores of rows (n, features), contiguous. None when XGBoost shall find them."""
        if self._converted is None or rows.shape[1] != self._features:
            return None
        return self._converted.predict(rows)

    def show(self, rows: Floats, scores: Floats) -> None:
        """What XGBoost answered to a batch. Now and then this takes the time to convert the model."""
        self._seen += len(rows)
        if self._booster is None or self._seen < WORTH:
            return
        booster, self._booster = self._booster, None
        try:
            converted = _Converted(booster)
            if not _identical(converted.predict(rows), scores):
                raise _UnsuitableError("it would answer something else")
        except (ImportError, KeyError, RuntimeError, ValueError) as error:
            log.info(f"Batches of many rows stay with XGBoost: {error}")
            return
        self._converted = converted
        log.info("Batches of many rows are walked through the trees by oneDAL from now on")


class _UnsuitableError(ValueError):
    pass


class _Converted:
    """Raises ImportError, KeyError, RuntimeError (of oneDAL) or ValueError (of XGBoost) for a model that cannot be converted."""

    def __init__(self, booster: xgb.Booster) -> None:
        self._onedal = _onedal()
        model = json.loads(_text(booster))
        trees, groups = _taken_out(model)
        self._treeless = xgb.Booster(model_file=bytearray(json.dumps(model).encode()))
        base = np.ravel(self._treeless.inplace_predict(np.zeros((1, 1), np.float32), predict_type="margin"))
        self._models = [
            self._build(
                booster.num_features(),
                float(score),
                [tree for tree, its in zip(trees, groups, strict=True) if its == group],
            )
            for group, score in enumerate(base)
        ]

    def predict(self, rows: Floats) -> Floats:
        """Raises RuntimeError."""
        sums = [
            self._onedal.gbt_regression_prediction(fptype="float").compute(rows, model).prediction
            for model in self._models
        ]
        nothing = np.zeros((len(rows), 1), np.float32)
        margin = np.concatenate(sums, axis=1)
        return self._treeless.inplace_predict(nothing, base_margin=margin)  # type: ignore[no-any-return]  # of xgboost

    def _build(self, features: int, base_score: float, trees: list[dict[str, Any]]) -> Any:
        builder = self._onedal.gbt_reg_model_builder(n_features=features, n_iterations=len(trees) + 1)
        builder.add_leaf(tree_id=builder.create_tree(1), response=base_score, cover=0.0)
        for tree in trees:
            _add(builder, tree)
        return builder.model(base_score=None)


def _onedal() -> Any:
    """The one module of daal4py that is needed. The package itself would import scikit-learn: 20 MB, and a third of a second."""
    package = importlib.util.find_spec("daal4py")
    if package is None:
        raise ImportError("daal4py is not installed")
    before = sys.modules.get("daal4py")
    sys.modules["daal4py"] = before or importlib.util.module_from_spec(package)
    try:
        module = importlib.import_module("daal4py._daal4py")
    finally:
        if before is None:
            del sys.modules["daal4py"]
    module.daalinit(int(os.environ.get("OMP_NUM_THREADS", "1")))  # as many threads as this process may have
    return module


def _text(booster: xgb.Booster) -> bytes:
    text = bytes(booster.save_raw("json"))
    if len(text) > _LARGEST:
        raise _UnsuitableError("the model is too large")
    return text


def _taken_out(model: dict[str, Any]) -> tuple[list[dict[str, Any]], list[int]]:
    """The trees, and which column of the predictions each adds to. Leaves a model that has none, of one feature."""
    learner = model["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise _UnsuitableError(f"it is {booster['name']}")
    forest = booster["model"]
    trees, groups = forest["trees"], forest["tree_info"]
    for tree in trees:
        if tree["categories"] or int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise _UnsuitableError("it has categories, or vectors as leaves")
    forest.update(trees=[], tree_info=[], iteration_indptr=[0])
    forest["gbtree_model_param"]["num_trees"] = "0"
    learner["learner_model_param"]["num_feature"] = "1"
    learner.update(feature_names=[], feature_types=[])
    return trees, groups


def _add(builder: Any, tree: dict[str, Any]) -> None:
    """XGBoost goes left below a threshold, oneDAL up to it and with it: to the same side with the float32 that is next below."""
    left, right = tree["left_children"], tree["right_children"]
    numbers = np.array(tree["split_conditions"], np.float32)  # thresholds, and the values of leaves
    below = np.nextafter(numbers, np.float32(-np.inf))
    if not np.isfinite(numbers).all():
        raise _UnsuitableError("it has numbers that are not finite")
    leaves, thresholds = numbers.tolist(), below.tolist()
    features, defaults = tree["split_indices"], tree["default_left"]
    whole = builder.create_tree(_size(left, right))
    waiting: deque[tuple[int, dict[str, int]]] = deque([(0, {})])
    while waiting:  # level by level, as oneDAL wants them
        node, place = waiting.popleft()
        if left[node] == _LEAF:
            builder.add_leaf(tree_id=whole, response=leaves[node], cover=0.0, **place)
            continue
        split = builder.add_split(
            tree_id=whole,
            feature_index=features[node],
            feature_value=thresholds[node],
            default_left=defaults[node],
            cover=0.0,
            **place,
        )
        waiting.append((left[node], {"parent_id": split, "position": 0}))
        waiting.append((right[node], {"parent_id": split, "position": 1}))


def _size(left: list[int], right: list[int]) -> int:
    """The nodes that can be reached: pruning leaves others behind."""
    reached = [0]
    for node in reached:
        if left[node] != _LEAF:
            reached += (left[node], right[node])
    return len(reached)


def _identical(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()
