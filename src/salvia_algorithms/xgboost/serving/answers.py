"""Answers of an XGBoost model: csv, JSON, JSON Lines or recordio-protobuf, in the forms of AWS's container."""

import csv
import io
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from salvia_algorithms.xgboost.serving.predicting import Scores
from salvia_algorithms.xgboost.serving.selected import Row
from salvia_container import recordio
from salvia_container.serving.handler import Refusal

CSV, JSON, JSON_LINES, RECORDIO = (
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
)
ACCEPTS = (JSON, JSON_LINES, RECORDIO, CSV)
_FEW = 64  # numbers that Python has written before Arrow has begun


@lru_cache(maxsize=64)
def accepted(accept: str, default: str) -> str:
    """The form that an Accept header asks for. Raises Refusal (406) when there is none of those it names."""
    for wish in accept.split(","):
        media = wish.split(";", 1)[0].strip().lower()
        if media in {"", "*/*"}:
            return default
        if media in ACCEPTS:
            return media
    raise Refusal(
        406, f"Accept type {accept} is not supported. Please use supported accept types: {', '.join(ACCEPTS)}."
    )


def encode(scores: Scores, media: str, *, lines: bool) -> bytes:
    """All scores. Csv has one line, or with `lines` one for each row, as batch transform needs it."""
    if media == RECORDIO:
        return recordio.write_labels({"score": scores})
    if media == CSV and scores.ndim == 1 and len(scores) > _FEW:
        numbers = scores.astype(np.float64)
        return _joined(numbers, "\n") + b"\n" if lines else _joined(numbers, ",")
    values = scores.tolist()
    if media == JSON:
        return json.dumps({"predictions": [{"score": value} for value in values]}).encode()
    if media == JSON_LINES:
        return "".join([f'{{"score": {json.dumps(value)}}}\n' for value in values]).encode()
    text = map(repr, values)
    return ("\n".join(text) + "\n" if lines else ",".join(text)).encode()


def _joined(values: npt.NDArray[np.float64], separator: str) -> bytes:
    """As `separator`.join(map(repr, values)), in a quarter of the time.

    Arrow writes the same shortest digits as Python, but has other rules for whole numbers and for when to use an exponent.
    """
    size = np.abs(values)
    odd = ~((size >= 1e-4) & (size < 1e7) & (values != np.trunc(values)))
    texts = pa.array(values).cast(pa.string())
    if odd.any():
        texts = pa.compute.replace_with_mask(texts, pa.array(odd), pa.array(list(map(repr, values[odd].tolist()))))
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return bytes(pa.compute.binary_join(whole, separator)[0].as_buffer())


def encode_selected(rows: Sequence[Row], media: str) -> bytes:
    """What was selected of each row. Raises Refusal (406) for recordio-protobuf of what is no number."""
    if media == JSON:
        return json.dumps({"predictions": rows}).encode()
    if media == JSON_LINES:
        return "".join([f"{json.dumps(row)}\n" for row in rows]).encode()
    if media == RECORDIO:
        columns = {name: np.array([row[name] for row in rows], np.float32) for name in (rows[0] if rows else {})}
        return recordio.write_labels(columns)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([[_cell(value) for value in row.values()] for row in rows])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value
