"""One or several boosters that predict together."""

import ctypes
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xgboost as xgb

from salvia_algorithms.xgboost.model import MODEL_NAME, load
from salvia_algorithms.xgboost.serving import walking
from salvia_algorithms.xgboost.serving.requests import Dense
from salvia_container import log
from salvia_container.failure import UserError

Scores = npt.NDArray[np.float32]
VOTES = {"multi:softmax", "binary:hinge"}  # objectives that predict a class: of several models the majority counts

_ASKED = (
    b'{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false,"cache_id":0,"missing":NaN}'
)


class Predictor:
    """A model that answers: `predict` maps rows (n, features) to scores (n,), or (n, classes) for multi:softprob."""

    def __init__(self, booster: xgb.Booster) -> None:
        learner = json.loads(booster.save_config())["learner"]
        self.objective: str = learner["objective"]["name"]
        self.classes = int(learner["learner_model_param"]["num_class"])
        self.features: int = booster.num_features()
        self._booster = booster
        self._walker = walking.Walker(booster)
        self._in_place = (
            learner["gradient_booster"]["name"] != "gblinear"
        )  # which the library predicts only from a DMatrix
        self._proxy = xgb.core._ProxyDMatrix()  # noqa: SLF001 - without it the library makes one for each call, and looks at the machine
        self._shape = ctypes.POINTER(ctypes.c_uint64)()
        self._dimensions = ctypes.c_uint64()
        self._result = ctypes.POINTER(ctypes.c_float)()

    def predict(self, rows: "Dense | sp.csr_matrix") -> Scores:
        """Raises XGBoostError."""
        if not (isinstance(rows, np.ndarray) and self._in_place):
            return self._booster.predict(xgb.DMatrix(rows), validate_features=False)
        rows = np.ascontiguousarray(rows, np.float32)
        if len(rows) < walking.MANY:
            return self._predict_in_place(rows)
        scores = self._walker.predict(rows)
        if scores is None:
            scores = self._predict_in_place(rows)
            self._walker.show(rows, scores)
        return scores

    def _predict_in_place(self, rows: Dense) -> Scores:
        """What Booster.inplace_predict does, without what it costs: that is most of the time of a row."""
        count, width = rows.shape
        place = f'{{"data":[{rows.__array_interface__["data"][0]},true],"shape":[{count},{width}],"typestr":"<f4","version":3}}'
        code = xgb.core._LIB.XGBoosterPredictFromDense(  # noqa: SLF001 - the C interface is documented, its Python name is not
            self._booster.handle,
            place.encode(),
            _ASKED,
            self._proxy.handle,
            ctypes.byref(self._shape),
            ctypes.byref(self._dimensions),
            ctypes.byref(self._result),
        )
        xgb.core._check_call(code)  # noqa: SLF001 - as above
        shape = tuple(self._shape[: self._dimensions.value])
        found = ctypes.string_at(self._result, 4 * math.prod(shape))  # a copy: the library uses that memory again
        return np.frombuffer(found, np.float32).reshape(shape)


class Ensemble:
    """Several models: the mean of what they predict, or the class that most of them do."""

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        self._predictors = predictors
        first = predictors[0]
        self.objective, self.classes, self.features = first.objective, first.classes, first.features

    def predict(self, rows: "Dense | sp.csr_matrix") -> Scores:
        scores = np.stack([each.predict(rows) for each in self._predictors])
        if self.objective not in VOTES:
            return scores.mean(axis=0, dtype=np.float64).astype(np.float32)  # type: ignore[no-any-return]  # of numpy
        return np.array([Counter(votes).most_common(1)[0][0] for votes in scores.T.tolist()], np.float32)


def load_all(folder: Path, *, together: bool) -> Predictor | Ensemble:
    """What stands in a model's folder; only its first model unless `together`. Raises UserError."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    ours = [path for path in files if path.name.startswith(MODEL_NAME)]
    files = (ours or files) if together else (ours or files)[:1]
    if not files:
        raise UserError(f"There is no model in {folder}: expected a file {MODEL_NAME}")
    predictors = [Predictor(load(path)) for path in files]
    if len({(each.objective, each.features, each.classes) for each in predictors}) > 1:
        raise UserError(f"The models {', '.join(path.name for path in files)} are of different kinds")
    log.info(f"Loaded {', '.join(path.name for path in files)}: {predictors[0].objective}")
    return predictors[0] if len(predictors) == 1 else Ensemble(predictors)


def as_lists(scores: npt.NDArray[Any]) -> list[Any]:
    """Python's floats, with the digits that str() of AWS's container shows."""
    return scores.astype(np.float64).tolist()  # type: ignore[no-any-return]
