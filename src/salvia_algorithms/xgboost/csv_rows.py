"""CSV files: label first, no header, an empty cell is a missing value."""

import pyarrow as pa
import pyarrow.csv

from salvia_algorithms.csv_text import dense, explain, first_line, parser, text_of
from salvia_algorithms.files import DataFile
from salvia_algorithms.xgboost.rows import Rows
from salvia_container.failure import UserError

DELIMITERS = (",", "\t", ";", " ", "|", ":")
PARALLEL_BYTES = 1 << 22  # smaller files are parsed faster than threads start


def read(file: DataFile, *, weighted: bool, threads: int, delimiter: str) -> Rows:
    """Rows of one file. With `weighted` the second column is the weight of the row."""
    buffer = file.buffer()
    columns = first_line(buffer).count(delimiter) + 1
    least = 3 if weighted else 2
    if columns < least:
        raise _failed(
            f"{file.name}: {columns} column(s) found, at least {least} are needed (label first, then features)"
        )
    try:
        parallel = threads > 1 and buffer.size > PARALLEL_BYTES
        table = pyarrow.csv.read_csv(pa.BufferReader(buffer), **parser(columns, delimiter, threads=parallel))
    except pa.ArrowInvalid as error:
        raise _failed(
            explain(file.name, text_of(buffer), columns, delimiter, "built-in XGBoost") or f"{file.name}: {error}"
        ) from error
    label = dense(table, 0, 1)[:, 0]
    weight = dense(table, 1, 2)[:, 0] if weighted else None
    return Rows(dense(table, least - 1, columns), label, weight)


def sniff(file: DataFile) -> str:
    """The delimiter, from the file's first line."""
    line = first_line(file.buffer())
    for delimiter in DELIMITERS:
        if delimiter in line:
            return delimiter
    raise UserError(f"Could not determine delimiter on line {line[:50]}:\nCould not determine delimiter")


def _failed(message: str) -> UserError:
    return UserError(f"Failed to load csv data with exception:\n{message}")
