"""The handler of the built-in XGBoost image."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import xgboost as xgb

from salvia_algorithms.xgboost.serving import answers
from salvia_algorithms.xgboost.serving.predicting import Ensemble, Predictor, Scores, load_all
from salvia_algorithms.xgboost.serving.requests import Dense, decode, decode_single_rows
from salvia_algorithms.xgboost.serving.selected import KEYS, select
from salvia_container.failure import UserError
from salvia_container.serving.handler import Answer, Handler, Refusal, Request

_CONTENT_TYPES = {form: f"{form}; charset=utf-8" if form == answers.CSV else form for form in answers.ACCEPTS}


class XGBoost(Handler):
    """Rows are scored apart from each other, so what has queued up is answered with one prediction.

    Variables of AWS's container: SAGEMAKER_BATCH (csv answers have a line for each row), SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT,
    SAGEMAKER_INFERENCE_OUTPUT (selected values, with names) and SAGEMAKER_INFERENCE_ENSEMBLE (false: the first model only).
    """

    together = 64
    shared = True

    def load(self, folder: Path) -> Predictor | Ensemble:
        # How numpy says that a text has more in it than numbers.
        warnings.filterwarnings("error", "string or file could not be read", DeprecationWarning)
        self._lines = os.environ.get("SAGEMAKER_BATCH", "").lower() not in {"", "0", "false"}
        self._default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or answers.CSV
        self._keys = _selected_keys()
        if self._default not in answers.ACCEPTS:
            raise UserError(f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT must be one of {', '.join(answers.ACCEPTS)}")
        together = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() != "false"
        return load_all(folder, together=together)

    def answer(self, model: Predictor | Ensemble, requests: Sequence[Request]) -> list[Answer]:
        """Raises Refusal when one of the requests is wrong."""
        forms = [answers.accepted(request.accept, self._default) for request in requests]
        plain = decode_single_rows(requests, model.features)
        try:
            if plain is not None:
                together = model.predict(plain)
                scores = [together[place : place + 1] for place in range(len(requests))]
            else:
                scores = _scores(model, [decode(each.body, each.content_type, model.features) for each in requests])
        except xgb.core.XGBoostError as error:
            raise Refusal(400, f"Unable to evaluate payload provided: {error}") from error
        return [
            Answer(self._encoded(model, found, form), _CONTENT_TYPES[form])
            for found, form in zip(scores, forms, strict=True)
        ]

    def _encoded(self, model: Predictor | Ensemble, scores: Scores, form: str) -> bytes:
        if not self._keys:
            return answers.encode(scores, form, lines=self._lines)
        try:
            return answers.encode_selected(select(scores, self._keys, model.objective, model.classes), form)
        except ValueError as error:  # lists of numbers of different lengths
            raise Refusal(406, f"{', '.join(self._keys)} cannot be answered as {form}") from error


def _selected_keys() -> tuple[str, ...]:
    given = os.environ.get("SAGEMAKER_INFERENCE_OUTPUT", "")
    keys = tuple(key.strip().lower() for key in given.split(",") if key.strip())
    wrong = [key for key in keys if key not in KEYS]
    if wrong:
        raise UserError(f"SAGEMAKER_INFERENCE_OUTPUT: {', '.join(wrong)} cannot be selected. Use {', '.join(KEYS)}")
    return keys


def _scores(model: Predictor | Ensemble, rows: "list[Dense | sp.csr_matrix]") -> list[Scores]:
    """The scores of each request's rows; dense ones are predicted together."""
    if len(rows) == 1:
        return [model.predict(rows[0])]
    found: dict[int, Scores] = {place: model.predict(each) for place, each in enumerate(rows) if sp.issparse(each)}
    dense = [place for place, each in enumerate(rows) if not sp.issparse(each)]
    if dense:
        together = model.predict(np.concatenate([rows[place] for place in dense]))
        at = 0
        for place in dense:
            end = at + len(rows[place])
            found[place] = together[at:end]
            at = end
    return [found[place] for place in range(len(rows))]
