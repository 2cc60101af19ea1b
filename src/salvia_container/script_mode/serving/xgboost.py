"""XGBoost's defaults in script mode. Source: sagemaker_xgboost_container.serving: a model_fn must be given."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import xgboost as xgb

from salvia_container.script_mode.serving.arrays import CSV, decode, encode
from salvia_container.script_mode.serving.functions import Defaults, ScriptHandler
from salvia_container.serving.handler import Refusal

_LIBSVM = {"text/libsvm", "text/x-libsvm"}


class XgboostDefaults(Defaults):
    def input_fn(self, body: str | bytes, content_type: str) -> Any:
        """A DMatrix."""
        if content_type == CSV:
            return xgb.DMatrix(np.atleast_2d(decode(body, CSV)))
        if content_type in _LIBSVM:
            return xgb.DMatrix(_sparse(body.decode() if isinstance(body, bytes) else body))
        raise Refusal(
            415, f"Content type {content_type} is not supported by this framework. Please implement input_fn."
        )

    def predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data, validate_features=False)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        return encode(prediction, accept)


def handler() -> ScriptHandler:
    return ScriptHandler(XgboostDefaults())


def _sparse(text: str) -> sp.csr_matrix:
    """Rows of `label index:value ...` or of `index:value ...`; indices are columns."""
    starts, columns, values = [0], [], []
    try:
        for line in text.splitlines():
            for cell in line.split():
                column, colon, value = cell.partition(":")
                if colon:
                    columns.append(int(column))
                    values.append(float(value))
            starts.append(len(columns))
    except ValueError as error:
        raise Refusal(400, f"the body is not text/libsvm: {error}") from error
    return sp.csr_matrix((values, columns, starts), dtype=np.float32)
