"""Runs of sparse records, laid out as protobuf's own serialisers lay them out: where everything stands is seen in one look.

What stands there is decoded for all rows at once. A record of any other layout ends the run; the plain parser takes it.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from salvia_container.record_bytes import MAGIC, varint, varints

Span = tuple[int, int]
Layout = tuple[Span, Span, int, Span]  # of values and of keys, width, of the label; (0, 0) is nothing

_HEAD = b"\x0a\x06values\x12"  # of an entry of a map: the key "values", and then its value
_FEATURES, _LABEL, _FLOAT32 = 0x0A, 0x12, 0x12
_VALUES, _KEYS, _SHAPE = 0x0A, 0x12, 0x1A
_NOTHING = (0, 0)
_MOST = 1 << 16  # rows at once


@dataclass(frozen=True, slots=True)
class Run:
    """Rows one after the other: `values` and `keys` of all, `counts` (n,) how many a row has, `label` (n,) or None."""

    values: npt.NDArray[np.float32]
    keys: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    width: int
    label: npt.NDArray[np.float32] | None


def read(view: memoryview, offset: int) -> tuple[Run | None, int]:
    """The run of frames from `offset` on, and the place behind it; None where the first is of another layout."""
    rows: list[Layout] = []
    places = [offset]
    while len(rows) < _MOST:
        found = _frame(view, places[-1])
        if found is None or (rows and (found[0][3] == _NOTHING) != (rows[0][3] == _NOTHING)):
            break
        rows.append(found[0])
        places.append(found[1])
    while rows:
        run = _decoded(view, rows)
        if run is not None:
            return run, places[len(rows)]
        rows = rows[: len(rows) // 2]  # somewhere in it keys and values do not match: nearer to it, row by row
    return None, offset


def _frame(view: memoryview, offset: int) -> tuple[Layout, int] | None:
    if len(view) - offset < 8:
        return None
    magic, length = struct.unpack_from("<II", view, offset)
    following = offset + 8 + -(-length // 4) * 4
    if magic != MAGIC or following > len(view):
        return None
    try:
        layout = _record(view, offset + 8, offset + 8 + length)
    except IndexError:
        return None
    return None if layout is None else (layout, following)


def _record(view: memoryview, at: int, end: int) -> Layout | None:
    found = _tensor(view, at, end, _FEATURES)
    if found is None:
        return None
    values, keys, shape, at = found
    if shape == _NOTHING or (values != _NOTHING) != (keys != _NOTHING):
        return None
    width, behind = varint(view, shape[0])
    if behind != shape[1]:
        return None
    if at == end:
        return values, keys, width, _NOTHING
    said = _tensor(view, at, end, _LABEL)
    if said is None or said[1:] != (_NOTHING, _NOTHING, end) or said[0][1] - said[0][0] != 4:
        return None
    return values, keys, width, said[0]


def _tensor(view: memoryview, at: int, end: int, tag: int) -> tuple[Span, Span, Span, int] | None:
    """Where values, keys and shape of the entry "values" of a map stand, and the place behind it."""
    if view[at] != tag:
        return None
    size, at = varint(view, at + 1)
    stop = at + size
    if stop > end or view[at : at + len(_HEAD)] != _HEAD:
        return None
    size, at = varint(view, at + len(_HEAD))
    if at + size != stop or view[at] != _FLOAT32:
        return None
    size, at = varint(view, at + 1)
    if at + size != stop:
        return None
    spans = {_VALUES: _NOTHING, _KEYS: _NOTHING, _SHAPE: _NOTHING}
    while at < stop:
        field = view[at]
        size, at = varint(view, at + 1)
        if spans.get(field) != _NOTHING or at + size > stop or not size:
            return None
        spans[field] = (at, at + size)
        at += size
    return spans[_VALUES], spans[_KEYS], spans[_SHAPE], stop


def _decoded(view: memoryview, rows: list[Layout]) -> Run | None:
    """None when a row has not as many keys as values, which the plain parser knows how to say."""
    values, keys, widths, labels = zip(*rows, strict=True)
    counts = np.array([stop - start for start, stop in values])
    if (counts % 4).any():
        return None
    counts //= 4
    packed = b"".join([view[start:stop] for start, stop in keys])
    ends = np.cumsum([0, *(stop - start for start, stop in keys)])
    last = np.frombuffer(packed, np.uint8) < 0x80
    before = np.concatenate([[0], np.cumsum(last)])
    if not np.array_equal(np.diff(before[ends]), counts) or not all(
        last[stop - 1] for start, stop in pairwise(ends) if stop > start
    ):
        return None
    found = varints(packed)
    label = None
    if labels[0] != _NOTHING:
        label = np.frombuffer(b"".join([view[start:stop] for start, stop in labels]), "<f4")
    return Run(
        np.frombuffer(b"".join([view[start:stop] for start, stop in values]), "<f4"),
        found,
        counts,
        max(*widths, int(found.max()) + 1 if len(found) else 0),
        label,
    )
