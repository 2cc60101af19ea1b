"""LIBSVM files: `<label>[:<weight>] [qid:<group>] <index>:<value> ...`, indices as they stand."""

import warnings

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from salvia_algorithms.files import DataFile
from salvia_algorithms.xgboost.rows import Rows
from salvia_container.failure import UserError

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_QUERY = -1  # the index under which `qid:` passes through the parser


def read(file: DataFile) -> Rows:
    """Rows of one file, as wide as its highest index. Parsed as one array: a line's layout follows from its colons."""
    data = memoryview(file.buffer()).tobytes()
    if b"#" in data:
        data = b"\n".join(line.split(b"#", 1)[0] for line in data.split(b"\n"))
    data = data.replace(b"qid:", b"%d:" % _QUERY)
    tokens, colons = _layout(data)
    weighted = colons - (tokens - 1)
    values = _numbers(data)
    if ((weighted < 0) | (weighted > 1)).any() or values is None or len(values) != (tokens + colons).sum():
        raise _not_libsvm(file, data)
    if weighted.any() and not weighted.all():
        raise _failed(f"{file.name}: some rows have a weight (label:weight) and some have none")
    return _rows(file, values, tokens - 1, weighted=bool(weighted.any()))


def _layout(data: bytes) -> tuple[Counts, Counts]:
    """Tokens and colons of each line that is not blank."""
    raw = np.frombuffer(data, np.uint8)
    blank = raw <= ord(" ")
    begins = ~blank & np.concatenate([[True], blank[:-1]])
    line = np.concatenate([[0], np.cumsum(raw == ord("\n"))[:-1]])
    lines = int(line[-1]) + 1
    tokens = np.bincount(line[begins], minlength=lines)
    colons = np.bincount(line[raw == ord(":")], minlength=lines)
    return tokens[tokens > 0], colons[tokens > 0]


def _numbers(data: bytes) -> Numbers | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(data.replace(b":", b" ").decode("ascii"), np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _rows(file: DataFile, values: Numbers, features: Counts, *, weighted: bool) -> Rows:
    head = 1 + weighted
    starts = np.concatenate([[0], np.cumsum(head + 2 * features)[:-1]])
    label = values[starts].astype(np.float32)
    weight = values[starts + 1].astype(np.float32) if weighted else None
    pairs = np.ones(len(values), bool)
    pairs[starts] = False
    if weighted:
        pairs[starts + 1] = False
    index, value = values[pairs][::2].astype(np.int64), values[pairs][1::2]
    row = np.repeat(np.arange(len(features)), features)
    queries = index == _QUERY
    query = _query(file, row[queries], value[queries], len(features)) if queries.any() else None
    row, index, value = row[~queries], index[~queries], value[~queries]
    if len(index) and index.min() < 0:
        raise _failed(f"{file.name}: row {row[index.argmin()] + 1} has a negative feature index")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(features)))])
    width = int(index.max()) + 1 if len(index) else 0
    matrix = sp.csr_matrix((value.astype(np.float32), index, pointers), shape=(len(features), width))
    return Rows(matrix, label, weight, query)


def _query(file: DataFile, row: Counts, value: Numbers, rows: int) -> npt.NDArray[np.int64]:
    if len(row) != rows or (np.diff(row) != 1).any():
        raise _failed(f"{file.name}: every row needs one qid, or none")
    return value.astype(np.int64)


def _not_libsvm(file: DataFile, data: bytes) -> UserError:
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), start=1):
        if line.strip() and not _valid(line):
            snippet = line.replace(f"{_QUERY}:", "qid:")[:50]
            place = "First line" if number == 1 else f"Line {number}"
            return UserError(
                f"{place} '{snippet}...' of file '{file.name}' is not 'LIBSVM' format. "
                "Please ensure the file is in 'LIBSVM' format."
            )
    return _failed(f"{file.name} is not in LIBSVM format")


def _valid(line: str) -> bool:
    label, *features = line.split()
    parts = label.split(":") + [part for feature in features for part in feature.split(":")]
    if label.count(":") > 1 or any(feature.count(":") != 1 for feature in features):
        return False
    try:
        [float(part) for part in parts]
    except ValueError:
        return False
    return True


def _failed(message: str) -> UserError:
    return UserError(f"Failed to load libsvm data with exception:\n{message}")
