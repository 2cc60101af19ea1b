"""Where the data of a tabular algorithm are: in a train and a validation channel, or in folders of one channel."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salvia_algorithms.files import DataFile, channel_files
from salvia_container import log
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment

TRAIN, VALIDATION = ("train", "training"), "validation"
INDEX, KEY = "categorical_index.json", "cat_index_list"
CONTENT_TYPES = ("text/csv", "csv")
OTHERS = ("model", "code")  # channels that the SDK adds to a job of AWS's; nothing is in them that is needed here


@dataclass(frozen=True, slots=True)
class Found:
    """Files to read. `categorical` are columns as the user counts them, where the label is column 0.

    `sharded` says whether every host has files of its own, or all have the same.
    """

    train: list[DataFile]
    validation: list[DataFile]
    categorical: tuple[int, ...]
    sharded: bool
    validation_sharded: bool

    def columns(self, count: int) -> tuple[int, ...]:
        """The categorical ones as places among the features. Raises UserError for one that is not there."""
        wrong = [column for column in self.categorical if column >= count]
        if wrong:
            raise UserError(f"{INDEX}: column {wrong[0]} is not there, the training data has {count} columns")
        return tuple(column - 1 for column in self.categorical)


def find(environment: TrainingEnvironment) -> Found:
    """Raises UserError where the train channel is missing, empty, or of another kind than csv files."""
    given = environment.channels
    name = next((name for name in TRAIN if name in given), None)
    if name is None:
        raise UserError("Missing required channel: train")
    for other in given:
        if other not in (*TRAIN, VALIDATION, *OTHERS):
            log.warning(f"Channel {other} has no effect: the algorithm reads train and validation")
    root = environment.channel_path(name)
    _check(name, given[name])
    train, validation = _folders(root)
    sharded = _sharded(given[name])
    validation_sharded = sharded
    if VALIDATION in given:
        _check(VALIDATION, given[VALIDATION])
        validation, validation_sharded = environment.channel_path(VALIDATION), _sharded(given[VALIDATION])
    found = Found(
        _files(train), _files(validation) if validation else [], _categorical(root), sharded, validation_sharded
    )
    for channel, files, folder in (("training", found.train, train), ("validation", found.validation, validation)):
        if folder is not None and not files and len(environment.hosts) == 1:
            raise UserError(f"No data in {channel} channel path {folder}")
    return found


def _check(name: str, config: Mapping[str, Any]) -> None:
    kind = config.get("ContentType") or CONTENT_TYPES[0]
    if kind.split(";")[0].strip().lower() not in CONTENT_TYPES:
        raise UserError(f"Channel '{name}' has ContentType {kind}, but the algorithm reads only text/csv")
    if config.get("TrainingInputMode") == "Pipe":
        raise UserError(f"Channel '{name}' has TrainingInputMode Pipe, but the algorithm reads only File and FastFile")


def _sharded(config: Mapping[str, Any]) -> bool:
    return bool(config.get("S3DistributionType") == "ShardedByS3Key")


def _folders(root: Path) -> tuple[Path, Path | None]:
    """The train and validation folders of a channel that may hold both."""
    if not (root / "train").is_dir():
        return root, None
    return root / "train", root / "validation" if (root / "validation").is_dir() else None


def _files(folder: Path) -> list[DataFile]:
    return [file for file in channel_files(folder) if file.path.name != INDEX]


def _categorical(root: Path) -> tuple[int, ...]:
    path = root / INDEX
    if not path.is_file():
        return ()
    wrong = UserError(
        f'{INDEX} must be a JSON object {{"{KEY}": [...]}} with the numbers of different columns, '
        "each greater than zero: column 0 is the label"
    )
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))[KEY]
        right = all(type(column) is int and column > 0 for column in columns) and len(set(columns)) == len(columns)
    except (ValueError, KeyError, TypeError) as error:
        raise wrong from error
    if not right:
        raise wrong
    return tuple(columns)
