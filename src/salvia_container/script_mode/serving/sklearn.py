"""scikit-learn's defaults. Source: sagemaker_sklearn_container.serving: a model_fn must be given."""

from typing import Any

import numpy as np

from salvia_container.script_mode.serving.arrays import TEXTS, decode
from salvia_container.script_mode.serving.functions import Defaults, ScriptHandler


class SklearnDefaults(Defaults):
    def input_fn(self, body: str | bytes, content_type: str) -> Any:
        array = decode(body, content_type)
        return array.astype(np.float32) if content_type in TEXTS else array

    def predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data)


def handler() -> ScriptHandler:
    return ScriptHandler(SklearnDefaults())
