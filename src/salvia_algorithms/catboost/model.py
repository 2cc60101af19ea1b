"""The artefact of CatBoost: its own binary format in the file model, as AWS's; and rows in the form that the library takes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import numpy.typing as npt
import pandas as pd

from salvia_container.failure import UserError

MODEL_NAME = "model"


def save(found: catboost.CatBoost, folder: Path) -> None:
    """Whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{MODEL_NAME}.partial"
    found.save_model(str(partial), format="cbm")
    os.replace(partial, folder / MODEL_NAME)


def load(folder: Path) -> catboost.CatBoost:
    """Raises UserError for a file that is no model of CatBoost."""
    path = folder / MODEL_NAME
    if not path.is_file():
        raise UserError(f"The model has no file {MODEL_NAME}")
    try:
        return catboost.CatBoost().load_model(str(path))
    except catboost.CatBoostError as error:
        raise UserError(f"{MODEL_NAME} is not a model of CatBoost: {error}") from error


def pool(
    features: npt.NDArray[Any], texts: Mapping[int, Any], label: npt.NDArray[Any] | Sequence[Any] | None = None
) -> catboost.Pool:
    """Rows (n, d), where the columns of `texts` stand in for those of `features`: they are categories."""
    names = [f"feature_{place}" for place in range(features.shape[1])]
    if not texts:
        return catboost.Pool(np.ascontiguousarray(features), label, feature_names=names)
    columns = {name: texts.get(place, features[:, place]) for place, name in enumerate(names)}
    return catboost.Pool(pd.DataFrame(columns), label, cat_features=sorted(texts))
