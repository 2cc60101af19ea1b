"""Rows as the matrix XGBoost trains on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xgboost as xgb

from salvia_algorithms.xgboost.rows import Rows


def build(rows: Rows, parameters: Mapping[str, Any], threads: int, reference: xgb.DMatrix | None = None) -> xgb.DMatrix:
    """A QuantileDMatrix where the histogram method alone will read it (a quarter of the memory), else a DMatrix.

    `reference` is the train matrix, whose bins a validation matrix must share. In a distributed job all workers must
    build their matrices together: the bins are found by all of them.
    """
    fields = {"label": rows.label, "weight": rows.weight, "qid": rows.query, "nthread": threads}
    if parameters.get("objective") == "survival:aft":
        fields |= _survival(rows)
    if not binned(parameters):
        return xgb.DMatrix(rows.features, **fields)
    if "max_bin" in parameters:
        fields["max_bin"] = parameters["max_bin"]
    return xgb.QuantileDMatrix(rows.features, ref=reference, **fields)


def binned(parameters: Mapping[str, Any]) -> bool:
    """Whether every reader of the matrix is content with bins."""
    return (
        parameters.get("tree_method", "auto") in ("auto", "hist")
        and parameters.get("booster") != "gblinear"
        and parameters.get("process_type") != "update"
        and "updater" not in parameters
    )


def _survival(rows: Rows) -> dict[str, Any]:
    # One label column cannot hold both bounds. As with survival:cox, a negative label means: alive until then, at least.
    bound = np.abs(rows.label)
    return {
        "label_lower_bound": bound,
        "label_upper_bound": np.where(rows.label < 0, np.inf, bound).astype(np.float32),
    }
