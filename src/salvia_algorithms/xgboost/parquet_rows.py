"""Parquet files: the first column is the label, a null is a missing value."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from salvia_algorithms.files import DataFile
from salvia_algorithms.xgboost.rows import Floats, Rows
from salvia_container.failure import UserError


def read(file: DataFile, threads: int) -> Rows:
    """Rows of one file; all columns must be numbers or booleans."""
    try:
        table = pq.read_table(pa.BufferReader(file.buffer()), use_threads=threads > 1)
    except (pa.ArrowInvalid, OSError) as error:
        raise _failed(f"{file.name}: {error}") from error
    if table.num_columns < 2:
        raise _failed(f"{file.name}: {table.num_columns} column(s) found, at least 2 are needed (label first)")
    columns = [_numbers(file, name, table.column(place)) for place, name in enumerate(table.column_names)]
    features = np.empty((table.num_rows, len(columns) - 1), np.float32)
    for place, column in enumerate(columns[1:]):
        features[:, place] = column
    return Rows(features, columns[0])


def _numbers(file: DataFile, name: str, column: pa.ChunkedArray) -> Floats:
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise _failed(f"{file.name}: column '{name}' has type {kind}; XGBoost takes numbers")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values: Floats = column.cast(pa.float32(), safe=False).to_numpy()
    return values


def _failed(message: str) -> UserError:
    return UserError(f"Failed to load parquet data with exception:\n{message}")
