"""Requests to the models of AWS's own algorithms: rows as csv, JSON, JSON Lines or recordio-protobuf, dense or sparse."""

import json
from typing import Any

import numpy as np
import scipy.sparse as sp

from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_container import recordio
from salvia_container.serving.handler import Refusal

CSV, JSON, JSON_LINES, RECORDIO = (
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
)
CONTENT_TYPES = (CSV, JSON, JSON_LINES, RECORDIO)
NOT_EVALUATED = "unable to evaluate payload provided"  # AWS's words, and the only ones it has


def decode(body: bytes, content_type: str, features: int) -> Batch:
    """The rows (n, features) of a request; at least one, all finite. Raises Refusal: 415 for other types, 400 for what is wrong."""
    media = content_type.split(";", maxsplit=1)[0].strip().lower()
    if media not in CONTENT_TYPES:
        raise Refusal(
            415, f"Content type {content_type or 'none'} is not supported. Use one of {', '.join(CONTENT_TYPES)}"
        )
    try:
        batch = _READERS[media](body, features)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        cause = f"no {error} in an instance" if isinstance(error, KeyError) else str(error)
        raise Refusal(400, f"{NOT_EVALUATED}: {cause}") from error
    if not len(batch):
        raise Refusal(400, f"{NOT_EVALUATED}: there are no records in it")
    values = batch.features if isinstance(batch.features, np.ndarray) else batch.features.data
    if not np.isfinite(values).all():
        raise Refusal(400, f"{NOT_EVALUATED}: all features must be finite numbers")
    return batch


def _csv(body: bytes, features: int) -> Batch:
    lines = [line for line in body.decode("utf-8-sig").splitlines() if line.strip()]
    cells = [line.split(",") for line in lines]
    for number, row in enumerate(cells, start=1):
        if len(row) != features:
            raise ValueError(f"row {number} has {len(row)} features, the model has {features}")
    return Batch(np.array(cells, np.float64).reshape(-1, features).astype(np.float32))


def _json(body: bytes, features: int) -> Batch:
    document = json.loads(body)
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
        raise TypeError('the body is not a JSON object with a list of "instances"')
    return _instances(document["instances"], features)


def _json_lines(body: bytes, features: int) -> Batch:
    return _instances([json.loads(line) for line in body.splitlines() if line.strip()], features)


def _recordio(body: bytes, features: int) -> Batch:
    records = recordio.read(body)
    batch = Batch(records.features)
    if len(batch) and (batch.columns > features or (batch.columns < features and not batch.sparse)):
        raise ValueError(f"records have {batch.columns} features, the model has {features}")
    return batch.widened(features)


def _instances(instances: list[Any], features: int) -> Batch:
    rows = [_features(instance) for instance in instances]
    if any("keys" in row for row in rows):
        return Batch(sp.vstack([_sparse(number, row, features) for number, row in enumerate(rows, start=1)], "csr"))
    for number, row in enumerate(rows, start=1):
        if len(row["values"]) != features:
            raise ValueError(f"instance {number} has {len(row['values'])} features, the model has {features}")
    values: Floats = (
        np.array([row["values"] for row in rows], np.float64).reshape(len(rows), features).astype(np.float32)
    )
    return Batch(values)


def _features(instance: Any) -> dict[str, Any]:
    """{"features": [...]}, {"data": {"features": {"values": [...]}}} or only the list."""
    found = instance
    if isinstance(instance, dict):
        found = instance["data"]["features"] if "data" in instance else instance["features"]
    return found if isinstance(found, dict) else {"values": found}


def _sparse(number: int, row: dict[str, Any], features: int) -> sp.csr_matrix:
    values = np.array(row["values"], np.float32)
    keys = np.array(row.get("keys", range(len(values))), np.int64)
    width = int(row["shape"][-1]) if row.get("shape") else features
    if len(keys) != len(values):
        raise ValueError(f"instance {number} has {len(values)} values for {len(keys)} keys")
    if width > features or (len(keys) and not 0 <= keys.min() <= keys.max() < features):
        raise ValueError(f"instance {number} has features that the model does not have: it has {features}")
    return sp.csr_matrix((values, keys, [0, len(values)]), shape=(1, features))


_READERS = {CSV: _csv, JSON: _json, JSON_LINES: _json_lines, RECORDIO: _recordio}
