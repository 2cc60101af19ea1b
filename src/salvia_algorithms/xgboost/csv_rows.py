"""CSV files: label first, no header, an empty cell is a missing value."""

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.csv

from salvia_algorithms.files import DataFile
from salvia_algorithms.xgboost.rows import Floats, Rows
from salvia_container.failure import UserError

DELIMITERS = (",", "\t", ";", " ", "|", ":")
MISSING = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "NULL", "None")
PARALLEL_BYTES = 1 << 22  # smaller files are parsed faster than threads start


def read(file: DataFile, *, weighted: bool, threads: int, delimiter: str) -> Rows:
    """Rows of one file. With `weighted` the second column is the weight of the row."""
    buffer = file.buffer()
    columns = _first_line(buffer).count(delimiter) + 1
    least = 3 if weighted else 2
    if columns < least:
        raise _failed(
            f"{file.name}: {columns} column(s) found, at least {least} are needed (label first, then features)"
        )
    try:
        table = _parse(buffer, columns, delimiter, threads)
    except pa.ArrowInvalid as error:
        raise _failed(_explain(file.name, buffer, columns, delimiter) or f"{file.name}: {error}") from error
    label = _dense(table, 0, 1)[:, 0]
    weight = _dense(table, 1, 2)[:, 0] if weighted else None
    return Rows(_dense(table, least - 1, columns), label, weight)


def sniff(file: DataFile) -> str:
    """The delimiter, from the file's first line."""
    line = _first_line(file.buffer())
    for delimiter in DELIMITERS:
        if delimiter in line:
            return delimiter
    raise UserError(f"Could not determine delimiter on line {line[:50]}:\nCould not determine delimiter")


def _first_line(buffer: pa.Buffer) -> str:
    line = memoryview(buffer)[: 1 << 20].tobytes().lstrip(b"\xef\xbb\xbf\r\n").split(b"\n", 1)[0]
    return line.decode("utf-8", "replace").strip()


def _parse(buffer: pa.Buffer, columns: int, delimiter: str, threads: int) -> pa.Table:
    return pyarrow.csv.read_csv(
        pa.BufferReader(buffer),
        read_options=pyarrow.csv.ReadOptions(
            autogenerate_column_names=True, use_threads=threads > 1 and buffer.size > PARALLEL_BYTES
        ),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={f"f{column}": pa.float32() for column in range(columns)},
            null_values=MISSING,
            strings_can_be_null=True,
        ),
    )


def _dense(table: pa.Table, start: int, stop: int) -> Floats:
    out = np.empty((table.num_rows, stop - start), np.float32)
    for column in range(start, stop):
        row = 0
        for chunk in table.column(column).chunks:
            out[row : row + len(chunk), column - start] = chunk.to_numpy(zero_copy_only=False)
            row += len(chunk)
    return out


def _explain(name: str, buffer: pa.Buffer, columns: int, delimiter: str) -> str:
    """Which row and column the parser stumbled over; read again, slowly, because the user needs to find it."""
    text = io.TextIOWrapper(io.BytesIO(buffer), "utf-8", "replace", newline="")
    for row, cells in enumerate(csv.reader(text, delimiter=delimiter), start=1):
        if cells and len(cells) != columns:
            return f"{name}: row {row} has {len(cells)} columns, row 1 has {columns}"
        for column, cell in enumerate(cells, start=1):
            if cell.strip() not in MISSING and not _number(cell):
                header = (
                    " The file seems to have a header row; built-in XGBoost takes CSV without one." if row == 1 else ""
                )
                return f"{name}: row {row}, column {column}: '{cell[:50]}' is not a number.{header}"
    return ""


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _failed(message: str) -> UserError:
    return UserError(f"Failed to load csv data with exception:\n{message}")
