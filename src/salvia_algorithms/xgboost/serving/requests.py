"""Requests to an XGBoost model: rows as csv, libsvm or recordio-protobuf. Errors are worded as AWS's container words them."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import scipy.sparse as sp

from salvia_algorithms import csv_text
from salvia_algorithms.files import DataFile
from salvia_algorithms.xgboost import libsvm_rows
from salvia_algorithms.xgboost.csv_rows import DELIMITERS
from salvia_container import recordio
from salvia_container.failure import UserError
from salvia_container.serving.handler import Refusal, Request

Dense = npt.NDArray[np.float32]

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"
LIBSVM = ("text/libsvm", "text/x-libsvm")
_SHORT = 1 << 14  # bytes of csv up to which numpy is faster than a parser has begun


def decode(body: bytes, content_type: str, features: int) -> "Dense | sp.csr_matrix":
    """The rows (n, features) of a request; what is missing is NaN, or absent from a sparse row.

    Raises Refusal: 204 for no body, 415 for another type or what cannot be read as its type, 400 for rows of another width.
    """
    if not body:
        raise Refusal(204)
    media = _media(content_type)
    if media == CSV:
        rows = _csv(body)
    elif media in LIBSVM:
        return _narrowed(_libsvm(body), features)
    else:
        rows = _recordio(body)
    columns = rows.shape[1]
    if columns == features:
        return rows
    if columns != features - 1:
        raise _wrong_size("csv" if media == CSV else "recordio-protobuf", columns, "is not consistent with", features)
    if isinstance(rows, np.ndarray):
        return np.column_stack([rows, np.full(len(rows), np.nan, np.float32)])
    return sp.csr_matrix((rows.data, rows.indices, rows.indptr), shape=(rows.shape[0], features))


def decode_single_rows(requests: Sequence[Request], features: int) -> Dense | None:
    """The rows of requests that hold one plain row of csv each, read in one go; None unless all do."""
    rows = []
    for request in requests:
        body = request.body.rstrip()
        if b"\n" in body or body.count(b",") != features - 1 or _media(request.content_type) != CSV:
            return None
        rows.append(body)
    return _numbers(b",".join(rows), len(rows), features)


@lru_cache(maxsize=64)
def _media(content_type: str) -> str:
    media = content_type.split(";", 1)[0].strip().lower() or CSV
    if media in {CSV, RECORDIO, *LIBSVM}:
        return media
    raise Refusal(
        415,
        f"Content-type {media} not supported. Supported content-type is text/csv, text/libsvm, "
        "application/x-recordio-protobuf",
    )


def _csv(body: bytes) -> Dense:
    text = body.strip()
    if len(text) <= _SHORT:
        rows = _plain(text)
        if rows is not None:
            return rows
    if b"\n" not in text:
        text += b"\n"  # without which the parser sees no row in a single one
    first = csv_text.first_line(text)
    delimiter = next((each for each in DELIMITERS if each in first), ",")
    columns = first.count(delimiter) + 1
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(text), **csv_text.parser(columns, delimiter, threads=False))
    except pa.ArrowInvalid as error:
        where = csv_text.explain("payload", csv_text.text_of(text), columns, delimiter, "built-in XGBoost") or str(
            error
        )
        raise Refusal(
            415,
            "Loading csv data failed with Exception, please ensure data is in csv format:\n "
            f"{ValueError}\n {where.removeprefix('payload: ')}",
        ) from error
    return csv_text.dense(table, 0, columns)


def _plain(text: bytes) -> Dense | None:
    """The rows of numbers with a comma between any two; None when it is something else, or something is missing."""
    lines = text.split(b"\n")
    commas = lines[0].count(b",")
    if len(lines) > 1:
        if any([line.count(b",") != commas for line in lines]):  # noqa: C419 - a list is faster
            return None
        text = text.replace(b"\n", b",")
    return _numbers(text, len(lines), commas + 1)


def _numbers(text: bytes, rows: int, columns: int) -> Dense | None:
    """None when there is anything but that many numbers in `text`."""
    try:
        values = np.fromstring(text.decode("ascii"), np.float32, sep=",")
    except (DeprecationWarning, ValueError):
        return None
    return values.reshape(rows, columns) if len(values) == rows * columns else None


def _libsvm(body: bytes) -> sp.csr_matrix:
    """A label may stand first in a row, or none: rows to predict need none."""
    lines = [line for line in body.strip().split(b"\n") if line.strip()]
    labelled = b"\n".join(b"0 " + line if b":" in line.split(None, 1)[0] else line for line in lines)
    try:
        return sp.csr_matrix(libsvm_rows.read(DataFile(Path(), "payload", pa.py_buffer(labelled))).features)
    except (UserError, UnicodeDecodeError) as error:
        raise Refusal(
            415,
            "Loading libsvm data failed with Exception, please ensure data is in libsvm format:\n "
            f"{type(error)}\n {error}",
        ) from error


def _recordio(body: bytes) -> "Dense | sp.csr_matrix":
    try:
        return recordio.read(body).features
    except recordio.Malformed as error:
        raise Refusal(
            415,
            "Loading recordio-protobuf data failed with Exception, please ensure data is in recordio-protobuf format: "
            f"{type(error)} {error}",
        ) from error


def _narrowed(rows: sp.csr_matrix, features: int) -> sp.csr_matrix:
    columns = rows.shape[1]
    if columns > features + 1:
        raise _wrong_size("libsvm", columns, "is larger than", features)
    if columns > features:
        return rows[:, :features]
    return sp.csr_matrix((rows.data, rows.indices, rows.indptr), shape=(rows.shape[0], features))


def _wrong_size(kind: str, columns: int, how: str, features: int) -> Refusal:
    return Refusal(
        400,
        f"Unable to evaluate payload provided: Feature size of {kind} inference data {columns} {how} "
        f"feature size of trained model {features}.",
    )
