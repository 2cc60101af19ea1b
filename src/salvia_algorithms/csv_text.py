"""Csv files of numbers without a header: how they are parsed, and where the parser stumbled."""

import csv
import io
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

Floats = npt.NDArray[np.float32]

MISSING = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "NULL", "None")


def first_line(buffer: pa.Buffer | bytes) -> str:
    line = memoryview(buffer)[: 1 << 20].tobytes().lstrip(b"\xef\xbb\xbf\r\n").split(b"\n", 1)[0]
    return line.decode("utf-8", "replace").strip()


def parser(columns: int, delimiter: str = ",", *, threads: bool, block: int | None = None) -> dict[str, Any]:
    """Arguments of pyarrow's readers for float32 columns; a missing value is null. `block` is how many bytes a batch has."""
    return {
        "read_options": pyarrow.csv.ReadOptions(
            autogenerate_column_names=True, use_threads=threads, **({} if block is None else {"block_size": block})
        ),
        "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types={f"f{column}": pa.float32() for column in range(columns)},
            null_values=MISSING,
            strings_can_be_null=True,
        ),
    }


def dense(table: pa.Table | pa.RecordBatch, start: int, stop: int) -> Floats:
    """The columns from `start` to before `stop` as (n, stop - start); null becomes NaN."""
    out = np.empty((table.num_rows, stop - start), np.float32)
    for column in range(start, stop):
        row = 0
        found = table.column(column)
        for chunk in found.chunks if isinstance(found, pa.ChunkedArray) else [found]:
            out[row : row + len(chunk), column - start] = chunk.to_numpy(zero_copy_only=False)
            row += len(chunk)
    return out


def text_of(content: pa.Buffer | bytes) -> TextIO:
    """The lines of a csv in memory."""
    return io.TextIOWrapper(io.BytesIO(content), "utf-8", "replace", newline="")


def explain(name: str, lines: Iterable[str], columns: int, delimiter: str, algorithm: str) -> str:
    """Which row and column the parser stumbled over; read again, slowly, because the user needs to find it."""
    for row, cells in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
        if cells and len(cells) != columns:
            return f"{name}: row {row} has {len(cells)} columns, row 1 has {columns}"
        for column, cell in enumerate(cells, start=1):
            if cell.strip() not in MISSING and not _is_number(cell):
                header = f" The file seems to have a header row; {algorithm} takes CSV without one." if row == 1 else ""
                return f"{name}: row {row}, column {column}: '{cell[:50]}' is not a number.{header}"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
