"""The artefact of LightGBM: a pickled lightgbm.Booster in model.pkl, which joblib reads, as AWS's."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import lightgbm as lgb

from salvia_container.failure import UserError

MODEL_NAME = "model.pkl"


def save(booster: lgb.Booster, folder: Path) -> None:
    """Whole or not at all; without what training needed."""
    folder.mkdir(parents=True, exist_ok=True)
    bare = lgb.Booster(model_str=booster.model_to_string(num_iteration=-1))
    bare.best_iteration, bare.best_score = booster.best_iteration, booster.best_score
    partial = folder / f".{MODEL_NAME}.partial"
    partial.write_bytes(pickle.dumps(bare, protocol=4))
    os.replace(partial, folder / MODEL_NAME)


def load(folder: Path) -> lgb.Booster:
    """Raises UserError for a file that is no pickled Booster."""
    path = folder / MODEL_NAME
    if not path.is_file():
        raise UserError(f"The model has no file {MODEL_NAME}")
    try:
        shell = _Unpickler(io.BytesIO(path.read_bytes())).load()
        booster = lgb.Booster(model_str=shell.text)
    except (
        pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, ImportError,
        lgb.basic.LightGBMError,
    ) as error:  # fmt: skip
        raise UserError(f"{MODEL_NAME} is not a pickled model of LightGBM: {error}") from error
    booster.best_iteration = shell.best_iteration
    return booster


class _Shell:
    """Stands in for the Booster of any version: its text is wanted, and how many rounds are best."""

    text = ""
    best_iteration = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.text = state.get("_handle") or state["handle"]
        self.best_iteration = int(state.get("best_iteration") or 0)


class _Unpickler(pickle.Unpickler):
    """Knows a Booster and what it may hold. Any other class is refused: a pickle could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("lightgbm.basic", "Booster"):
            return _Shell
        if (module, name) in {("collections", "defaultdict"), ("collections", "OrderedDict")}:
            return super().find_class(module, name)
        if module in {"numpy", "numpy.core.multiarray", "numpy._core.multiarray"} and name in {"dtype", "scalar"}:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a model")
