"""recordio-protobuf: rows of numbers as SageMaker's algorithms and SDKs exchange them.

A file is a chain of frames: magic 0xCED7230A, the payload's length (both 32 bits, little-endian), the payload, and zeros
up to a multiple of 4. A payload is a protobuf message `aialgs.data.Record`:

    Record   1: map<string, Value> features    2: map<string, Value> label    3: uid  4: metadata  5: configuration
    Value    2: Float32Tensor   3: Float64Tensor   7: Int32Tensor   9: Bytes
    Tensor   1: values (packed)   2: keys (packed uint64; present: the row is sparse)   3: shape (packed uint64)

Vectors stand under the map key "values". Dense rows of one width have the same bytes but for their numbers, so runs of
them are read and written as one array; all other rows go through a plain parser.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from salvia_container import record_bytes, sparse_records
from salvia_container.record_bytes import varint, varints
from salvia_container.sparse_records import Run

MAGIC = record_bytes.MAGIC
Floats = npt.NDArray[np.float32]
BLOCK_BYTES = 4 << 20

_FLOAT32, _FLOAT64, _INT32 = 2, 3, 7  # field numbers of Value's tensors
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # protobuf wire types
_SIZES = {_FIXED64: 8, _FIXED32: 4}


class Malformed(ValueError):
    """The bytes are not recordio-protobuf; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Records:
    """Rows in file order: `features` (n, d) dense or CSR; `label` (n,), or None when no record has one."""

    features: Floats | sp.csr_matrix
    label: Floats | None


def read(data: bytes | memoryview) -> Records:
    """Decodes a whole file. Sparse rows may differ in width (the widest counts), dense ones may not. May raise Malformed."""
    rows = _Rows()
    view = memoryview(data).cast("B")
    offset = 0
    while offset < len(view):
        offset = _read_run(view, offset, rows)
    return rows.gather()


def stream(pieces: Iterable[bytes | memoryview], block: int = BLOCK_BYTES) -> Iterator[Records]:
    """Decodes a file that comes in pieces, however they are cut (a mapped file is one piece), a block of rows at a time.

    A block is decoded from about `block` bytes. May raise Malformed, naming the record of the whole file where it is known.
    """
    rest = b""
    before = read = 0  # rows, and the bytes before `rest`
    for piece in pieces:
        data = b"".join((rest, piece)) if rest else piece
        view = memoryview(data).cast("B")
        offset = 0
        while _is_whole(view, offset):
            rows = _Rows(before, read)
            offset = _read_run(view[: offset + max(block, _frame_size(view, offset))], offset, rows)
            window = view[: offset + block]
            while rows.size < block and _is_whole(window, offset):
                offset = _read_run(window, offset, rows)
            before += rows.count
            yield rows.gather()
        rest = bytes(view[offset:])
        read += offset
    if rest:
        _payload(memoryview(rest), 0, read)
        raise Malformed(f"truncated record {before + 1}")


def write_dense(features: Floats, label: Floats | None = None) -> bytes:
    """Encodes (n, d) float32 rows, byte for byte as protobuf's own serialiser would."""
    values = np.ascontiguousarray(features, dtype="<f4")
    width = values.shape[1]
    frame, at, label_at = _dense_frame(width, labelled=label is not None)
    out = np.tile(np.frombuffer(frame, np.uint8), (len(values), 1))
    out[:, at : at + 4 * width] = values.view(np.uint8)
    if label is not None:
        out[:, label_at : label_at + 4] = np.ascontiguousarray(label, "<f4").reshape(-1, 1).view(np.uint8)
    return out.tobytes()


def write_sparse(features: sp.csr_matrix, label: Floats | None = None) -> bytes:
    """Encodes the rows of a CSR matrix, each with its keys and its shape."""
    shape = _packed([features.shape[1]])
    out = bytearray()
    for row in range(features.shape[0]):
        start, end = features.indptr[row], features.indptr[row + 1]
        keys = _packed(features.indices[start:end].tolist())
        values = features.data[start:end].astype("<f4").tobytes()
        tensor = (_chunk(1, values) if values else b"") + (_chunk(2, keys) if keys else b"") + _chunk(3, shape)
        record = _chunk(1, _chunk(1, b"values") + _chunk(2, _chunk(_FLOAT32, tensor)))
        if label is not None:
            record += _vector(2, struct.pack("<f", label[row]))
        out += _frame(record)
    return bytes(out)


def write_labels(columns: Mapping[str, Floats]) -> bytes:
    """Encodes answers: records without features whose labels are these columns, (n,) or (n, w), under their names."""
    tables = [np.ascontiguousarray(values, "<f4").reshape(len(values), -1) for values in columns.values()]
    entries = [
        _vector(2, bytes(4 * table.shape[1]), name.encode()) for name, table in zip(columns, tables, strict=True)
    ]
    out = np.tile(np.frombuffer(_frame(b"".join(entries)), np.uint8), (len(tables[0]), 1))
    end = 8
    for entry, table in zip(entries, tables, strict=True):
        end += len(entry)
        out[:, end - 4 * table.shape[1] : end] = table.view(np.uint8)
    return out.tobytes()


@dataclass(slots=True)
class _Tensor:
    values: Floats
    keys: npt.NDArray[np.int64] | None = None
    width: int = 0  # from `shape`; 0 when the record does not say
    at: int = -1  # where packed float32 values begin in the payload; -1 when they are of another kind


@dataclass(slots=True)
class _Rows:
    """Blocks of rows in file order; labels are kept beside them, for each row or for none."""

    before: int = 0  # rows of the same file that came earlier, for messages
    read: int = 0  # and bytes
    blocks: list[Floats | Run] = field(default_factory=list)  # (n, d) dense, or sparse rows
    labels: list[Floats] = field(default_factory=list)
    count: int = 0
    size: int = 0  # bytes

    def add_dense(self, block: Floats, label: Floats | None) -> None:
        self.blocks.append(block)
        self.size += block.nbytes
        self._add_label(label, len(block))

    def add_row(self, tensor: _Tensor, label: Floats | None) -> None:
        sparse = tensor.keys is not None or (tensor.width > 0 and tensor.values.size == 0)
        if not sparse:
            return self.add_dense(tensor.values.reshape(1, -1), label)
        keys = tensor.keys if tensor.keys is not None else np.empty(0, np.int64)
        if len(keys) != len(tensor.values):
            raise Malformed(
                f"record {self.before + self.count + 1} has {len(tensor.values)} values for {len(keys)} keys"
            )
        width = max(tensor.width, int(keys.max()) + 1 if len(keys) else 0)
        self.add_sparse(Run(tensor.values, keys, np.array([len(keys)]), width, label))
        return None

    def add_sparse(self, run: Run) -> None:
        self.blocks.append(run)
        self.size += run.values.nbytes + run.keys.nbytes
        self._add_label(run.label, len(run.counts))

    def gather(self) -> Records:
        label = np.concatenate(self.labels) if self.labels else None
        if label is not None and len(label) != self.count:
            raise Malformed(f"{len(label)} labels for {self.count} records")
        dense = [block for block in self.blocks if not isinstance(block, Run)]
        if len(dense) < len(self.blocks):
            return Records(self._sparse(), label)
        widths = {block.shape[1] for block in dense}
        if len(widths) > 1:
            raise Malformed(f"dense records differ in their number of features: {sorted(widths)}")
        features = np.concatenate(dense) if len(dense) > 1 else dense[0] if dense else np.empty((0, 0), np.float32)
        return Records(features, label)

    def _add_label(self, label: Floats | None, rows: int) -> None:
        self.count += rows
        if label is not None:
            self.labels.append(label)

    def _sparse(self) -> sp.csr_matrix:
        runs = [block if isinstance(block, Run) else _as_sparse(block) for block in self.blocks]
        width = max(run.width for run in runs)
        pointers = np.concatenate([[0], np.cumsum(np.concatenate([run.counts for run in runs]))])
        values, keys = (np.concatenate(part) for part in zip(*((run.values, run.keys) for run in runs), strict=True))
        if len(keys) and keys.min() < 0:
            raise Malformed("a sparse record has a key that is no index")
        return sp.csr_matrix((values, keys, pointers), shape=(self.count, width))


def _as_sparse(block: Floats) -> Run:
    rows, width = block.shape
    keys = np.tile(np.arange(width, dtype=np.int64), rows)
    return Run(block.reshape(-1), keys, np.full(rows, width), width, None)


def _read_run(view: memoryview, offset: int, rows: _Rows) -> int:
    """Reads one record and every following one that has the same skeleton; returns the offset behind them."""
    payload = _payload(view, offset, rows.read)
    features, label = _record(payload, rows.before + rows.count + 1)
    stride = 8 + -(-len(payload) // 4) * 4
    if features.keys is not None:
        run, end = sparse_records.read(view, offset)
        if run is not None:
            rows.add_sparse(run)
            return end
    fast = features.at >= 0 and features.values.size and features.keys is None and (label is None or label.at >= 0)
    if not fast or (label is not None and label.values.size != 1):
        rows.add_row(features, None if label is None else label.values[:1])
        return offset + stride
    holes = [(8 + features.at, features.values.size)] + ([(8 + label.at, 1)] if label is not None else [])
    block = _same_skeleton(view, offset, stride, holes)
    at, width = holes[0]
    dense = block[:, at : at + 4 * width].copy().view("<f4")
    labels = block[:, holes[1][0] : holes[1][0] + 4].copy().view("<f4")[:, 0] if label is not None else None
    rows.add_dense(dense, labels)
    return offset + stride * len(block)


def _same_skeleton(view: memoryview, offset: int, stride: int, holes: list[tuple[int, int]]) -> npt.NDArray[np.uint8]:
    """The run of frames from `offset` on whose bytes outside the holes (byte offset, float count) are all the same."""
    available = (len(view) - offset) // stride
    frames = np.frombuffer(view, np.uint8, available * stride, offset).reshape(available, stride)
    fixed = []
    start = 0
    for at, floats in sorted(holes):
        fixed.append(slice(start, at))
        start = at + 4 * floats
    fixed.append(slice(start, stride))
    length = 1
    step = 16  # grows while rows agree, so that a file of irregular rows is not scanned again and again
    while length < available:
        window = frames[length : length + step]
        same = np.ones(len(window), bool)
        for part in fixed:
            same &= (window[:, part] == frames[0, part]).all(axis=1)
        if not same.all():
            return frames[: length + int(np.argmin(same))]
        length += len(window)
        step *= 4
    return frames[:length]


def _is_whole(view: memoryview, offset: int) -> bool:
    """Whether all of the frame at `offset` is there. What is no frame counts as whole: reading it says what is wrong."""
    if len(view) - offset < 8:
        return False
    (magic,) = struct.unpack_from("<I", view, offset)
    return bool(magic != MAGIC) or offset + _frame_size(view, offset) <= len(view)


def _frame_size(view: memoryview, offset: int) -> int:
    (length,) = struct.unpack_from("<I", view, offset + 4)
    return 8 + -(-int(length) // 4) * 4


def _payload(view: memoryview, offset: int, before: int = 0) -> memoryview:
    """`before` are the bytes of the same file before `view`."""
    if len(view) - offset < 8:
        raise Malformed(f"truncated record header at byte {before + offset}")
    magic, length = struct.unpack_from("<II", view, offset)
    if magic != MAGIC:
        raise Malformed(f"no RecordIO magic number at byte {before + offset}")
    if offset + 8 + -(-length // 4) * 4 > len(view):
        raise Malformed(f"truncated record at byte {before + offset}")
    return view[offset + 8 : offset + 8 + length]


def _record(payload: memoryview, number: int) -> tuple[_Tensor, _Tensor | None]:
    features = label = None
    try:
        for tag, _, start, end in _fields(payload, 0, len(payload)):
            if tag in (1, 2):
                tensor = _entry(payload, start, end)
                if tag == 1:
                    features = tensor or features
                else:
                    label = tensor or label
    except IndexError as error:
        raise Malformed(f"record {number} is not a protobuf Record") from error
    if features is None:
        raise Malformed(f'record {number} has no features under the key "values"')
    return features, label


def _entry(payload: memoryview, start: int, end: int) -> _Tensor | None:
    """One entry of a map<string, Value>, if its key is "values"."""
    key = b""
    value = None
    for tag, _, begin, stop in _fields(payload, start, end):
        if tag == 1:
            key = bytes(payload[begin:stop])
        elif tag == 2:
            value = (begin, stop)
    if key != b"values" or value is None:
        return None
    for tag, _, begin, stop in _fields(payload, *value):
        if tag in (_FLOAT32, _FLOAT64, _INT32):
            return _tensor(payload, tag, begin, stop)
    return _Tensor(np.empty(0, np.float32))


def _tensor(payload: memoryview, kind: int, start: int, end: int) -> _Tensor:
    values: list[Floats] = []
    keys: list[npt.NDArray[np.int64]] = []
    shape: list[npt.NDArray[np.int64]] = []
    at = -1
    for tag, wire, begin, stop in _fields(payload, start, end):
        if tag == 1:
            values.append(_numbers(payload, kind, wire, begin, stop))
            at = begin if kind == _FLOAT32 and wire == _LENGTH and len(values) == 1 else -1
        elif tag == 2:
            keys.append(varints(payload[begin:stop]))
        elif tag == 3:
            shape.append(varints(payload[begin:stop]))
    width = int(np.concatenate(shape)[-1]) if shape else 0
    return _Tensor(
        values=np.concatenate(values) if values else np.empty(0, np.float32),
        keys=np.concatenate(keys) if keys else None,
        width=width,
        at=at,
    )


def _numbers(payload: memoryview, kind: int, wire: int, start: int, end: int) -> Floats:
    if kind == _INT32 or wire == _VARINT:
        return varints(payload[start:end]).astype(np.float32)
    size = 4 if kind == _FLOAT32 else 8
    if (end - start) % size:
        raise IndexError  # not a whole number of floats: the caller names the record
    return np.frombuffer(payload[start:end], "<f4" if kind == _FLOAT32 else "<f8").astype(np.float32)


def _fields(payload: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: (number, wire type, start and end of its content). A varint's content is its bytes."""
    while start < end:
        key, start = varint(payload, start)
        wire = key & 7
        if wire == _LENGTH:
            length, start = varint(payload, start)
            stop = start + length
        elif wire == _VARINT:
            _, stop = varint(payload, start)
        elif wire in _SIZES:
            stop = start + _SIZES[wire]
        else:
            raise IndexError
        if stop > end:
            raise IndexError
        yield key >> 3, wire, start, stop
        start = stop


def _dense_frame(width: int, *, labelled: bool) -> tuple[bytes, int, int]:
    """A frame of zeros, and where in it the features and the label stand."""
    features = _vector(1, bytes(4 * width))
    label = _vector(2, bytes(4)) if labelled else b""
    return _frame(features + label), 8 + len(features) - 4 * width, 8 + len(features) + len(label) - 4


def _vector(tag: int, floats: bytes, key: bytes = b"values") -> bytes:
    return _chunk(tag, _chunk(1, key) + _chunk(2, _chunk(_FLOAT32, _chunk(1, floats))))


def _frame(payload: bytes) -> bytes:
    return struct.pack("<II", MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)


def _chunk(tag: int, content: bytes) -> bytes:
    return _packed([tag << 3 | _LENGTH]) + _packed([len(content)]) + content


def _packed(numbers: list[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)
