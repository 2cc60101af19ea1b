"""Rows of csv files, label first: read, checked, and divided into those to train on and those to validate with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from salvia_algorithms import csv_text
from salvia_algorithms.files import DataFile
from salvia_container.failure import UserError

Floats = npt.NDArray[np.float32]
HELD_OUT = 0.2  # of the rows, when there is no validation data
SEED = 0  # the same job holds out the same rows


@dataclass(frozen=True, slots=True)
class Rows:
    """`label` is (n,), `features` (n, d); a missing feature is NaN. `texts` are the columns that were read as text.

    A column of `texts` is NaN in `features`; its place there is the key, its values are str, "" where one is missing.
    """

    label: Floats
    features: Floats
    texts: Mapping[int, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: npt.NDArray[Any]) -> "Rows":
        return Rows(
            self.label[rows], self.features[rows], {place: column[rows] for place, column in self.texts.items()}
        )


def columns_of(files: Sequence[DataFile]) -> int:
    """How many columns the first file has, the label among them; 0 without files."""
    return csv_text.first_line(files[0].buffer()).count(",") + 1 if files else 0


def read(files: Sequence[DataFile], columns: int, texts: Sequence[int] = ()) -> Rows:
    """All rows of `files`; `texts` are places of features to read as text. Raises UserError naming file and row."""
    if files and columns < 2:
        raise _failed(f"{files[0].name}: {columns} column(s) found, the label needs one and the features at least one")
    parts = [_read(file, columns, texts) for file in files]
    if not parts:
        return Rows(np.empty(0, np.float32), np.empty((0, max(columns - 1, 0)), np.float32))
    return Rows(
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.features for part in parts]),
        {place: np.concatenate([part.texts[place] for part in parts]) for place in texts},
    )


def held_out(rows: Rows, seed: int = SEED) -> tuple[Rows, Rows]:
    """The rows to train on and a fifth of them, drawn by chance, to validate with. Raises UserError for a single row."""
    if len(rows) < 2:
        raise UserError("At least two rows are needed where there is no validation data: some are held out for it")
    order = np.random.default_rng(seed).permutation(len(rows))
    count = max(1, round(len(rows) * HELD_OUT))
    return rows.take(np.sort(order[count:])), rows.take(np.sort(order[:count]))


def _read(file: DataFile, columns: int, texts: Sequence[int]) -> Rows:
    options = csv_text.parser(columns, threads=False)
    for place in texts:
        options["convert_options"].column_types |= {f"f{place + 1}": pa.string()}
    buffer = file.buffer()
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(buffer), **options)
    except pa.ArrowInvalid as error:
        told = "" if texts else csv_text.explain(file.name, csv_text.text_of(buffer), columns, ",", "this algorithm")
        raise _failed(told or f"{file.name}: {error}") from error
    rows = Rows(
        csv_text.dense(table, 0, 1)[:, 0],
        _features(table, columns, texts),
        {place: _text(table.column(place + 1)) for place in texts},
    )
    broken = np.flatnonzero(~np.isfinite(rows.label))
    if len(broken):
        raise _failed(f"{file.name}: row {broken[0] + 1}: the label is missing or not a finite number")
    return rows


def _features(table: pa.Table, columns: int, texts: Sequence[int]) -> Floats:
    if not texts:
        return csv_text.dense(table, 1, columns)
    out = np.full((table.num_rows, columns - 1), np.nan, np.float32)
    for place in set(range(columns - 1)) - set(texts):
        out[:, place] = csv_text.dense(table, place + 1, place + 2)[:, 0]
    return out


def _text(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = column.fill_null("").to_numpy()
    return values


def _failed(message: str) -> UserError:
    return UserError(f"Failed to read csv data: {message}")
