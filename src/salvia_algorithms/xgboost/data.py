"""A channel's data: found, read by its format, and checked before training begins."""

from collections.abc import Callable

import numpy as np

from salvia_algorithms.files import DataFile, channel_files, piped
from salvia_algorithms.xgboost import csv_rows, libsvm_rows, parquet_rows, recordio_rows
from salvia_algorithms.xgboost.channels import CSV, LIBSVM, PARQUET, Channel
from salvia_algorithms.xgboost.rows import Rows, stack
from salvia_container import log
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment


def files_of(environment: TrainingEnvironment, channel: Channel) -> list[DataFile]:
    """What there is to read: the channel's files, or its FIFO."""
    if channel.pipe:
        return piped(environment.pipe_path(channel.name, epoch=0))
    return channel_files(environment.channel_path(channel.name))


def read(channel: Channel, files: list[DataFile], *, csv_weights: bool, threads: int) -> Rows | None:
    """All rows of a channel, or None where it has none. Raises UserError naming the file and row at fault."""
    reader = _reader(channel, files, csv_weights=csv_weights, threads=threads)
    parts: list[Rows] = []
    for file in files:
        part = reader(file)
        if len(part) == 0:
            continue
        _check(channel, file, part)
        if parts and not _alike(parts[0], part):
            raise UserError(
                f"Failed to load {channel.format} data with exception:\n{file.name} has {part.columns} feature columns, "
                f"{files[0].name} has {parts[0].columns}"
            )
        parts.append(part)
    return stack(parts) if parts else None


def check_columns(train: Rows, validation: Rows) -> None:
    """Dense channels must agree in width; a sparse one may lack the last columns."""
    if train.sparse or validation.sparse or train.columns == validation.columns:
        return
    raise UserError(
        f"feature_names mismatch: the validation data has {validation.columns} feature columns, "
        f"the train data has {train.columns}"
    )


def _reader(channel: Channel, files: list[DataFile], *, csv_weights: bool, threads: int) -> Callable[[DataFile], Rows]:
    if channel.format == CSV and files:
        delimiter = csv_rows.sniff(files[0])
        log.info(f"Determined delimiter of CSV input is '{delimiter}'")
        return lambda file: csv_rows.read(file, weighted=csv_weights, threads=threads, delimiter=delimiter)
    if channel.format == LIBSVM:
        return libsvm_rows.read
    if channel.format == PARQUET:
        return lambda file: parquet_rows.read(file, threads)
    return recordio_rows.read


def _alike(one: Rows, other: Rows) -> bool:
    return one.sparse == other.sparse and (one.sparse or one.columns == other.columns)


def _check(channel: Channel, file: DataFile, rows: Rows) -> None:
    prefix = f"Failed to load {channel.format} data with exception:\n{file.name}"
    bad = np.flatnonzero(~np.isfinite(rows.label))
    if len(bad):
        raise UserError(f"{prefix}: row {bad[0] + 1}: Label contains NaN, infinity or a value too large.")
    if rows.weight is not None:
        bad = np.flatnonzero(~(np.isfinite(rows.weight) & (rows.weight >= 0)))
        if len(bad):
            raise UserError(f"{prefix}: row {bad[0] + 1}: Weights must be positive values.")
    values = rows.features.data if rows.sparse else rows.features
    if np.isinf(values).any():
        raise UserError(f"{prefix}: Input data contains `inf` or a value too large")
