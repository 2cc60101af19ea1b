"""recordio-protobuf, against bytes that protobuf's own serialiser wrote."""

import struct

import numpy as np
import pytest
import scipy.sparse as sp

from salvia_container.recordio import MAGIC, Malformed, Records, read, stream, write_dense, write_sparse

# What google.protobuf makes of records with these features; all but BARE have the label 3.
LABEL = "12120a0676616c756573120812060a0400004040"
BARE = "0a160a0676616c756573120c120a0a080000803f00000040"
FLOAT32 = BARE + LABEL
SHAPED = "0a190a0676616c756573120f120d0a080000803f000000401a0102" + LABEL
FLOAT64 = "0a1e0a0676616c75657312141a120a10000000000000f03f0000000000000040" + LABEL
INT32 = "0a1b0a0676616c75657312113a0f0a0d01feffffffffffffffff01ac02" + LABEL
NAMED = FLOAT32 + "1a05726f772d3122077b2261223a317d"
SPARSE = "0a1f0a0676616c756573121512130a080000c03f00000040120300ac021a029003" + LABEL
EMPTY = "0a100a0676616c756573120612041a029003" + LABEL


def frame(payload: bytes) -> bytes:
    return struct.pack("<II", MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)


def file(*records: str) -> bytes:
    return b"".join(frame(bytes.fromhex(record)) for record in records)


def dense(records: Records) -> list[list[float]]:
    features = records.features if isinstance(records.features, np.ndarray) else records.features.toarray()
    return [[float(value) for value in row] for row in features]


@pytest.mark.parametrize(
    ("record", "features"),
    [(FLOAT32, [1, 2]), (SHAPED, [1, 2]), (FLOAT64, [1, 2]), (INT32, [1, -2, 300]), (NAMED, [1, 2])],
    ids=["float32", "with shape", "float64", "int32", "uid and metadata"],
)
def test_every_kind_of_dense_record_is_read(record: str, features: list[float]) -> None:
    records = read(file(record, record))

    assert dense(records) == [features, features]
    assert records.label is not None
    assert records.label.tolist() == [3, 3]


def test_records_without_label_have_none() -> None:
    assert read(file(BARE)).label is None


def test_unpacked_values_are_read() -> None:
    tensor = bytes.fromhex("0d0000803f0d00000040")  # twice: field 1, 32 bits
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value

    assert dense(read(frame(b"\x0a" + bytes([len(entry)]) + entry))) == [[1, 2]]


def test_a_sparse_record_has_its_shape_and_an_empty_one_only_that() -> None:
    features = read(file(SPARSE, EMPTY)).features

    assert not isinstance(features, np.ndarray)
    assert features.shape == (2, 400)
    assert (features.nnz, features[0, 0], features[0, 300]) == (2, 1.5, 2)


def test_dense_rows_among_sparse_ones_become_sparse() -> None:
    assert dense(read(file(SPARSE, FLOAT32)))[1][:3] == [1, 2, 0]


def test_records_of_all_kinds_may_follow_each_other() -> None:
    records = read(file(FLOAT32, FLOAT32, NAMED, FLOAT64, FLOAT32))

    assert dense(records) == [[1, 2]] * 5


def test_written_dense_rows_are_what_protobuf_writes() -> None:
    assert write_dense(np.array([[1, 2]], np.float32), np.array([3], np.float32)) == file(FLOAT32)
    assert write_dense(np.array([[1, 2]], np.float32)) == file(BARE)


def test_written_sparse_rows_are_what_protobuf_writes() -> None:
    matrix = sp.csr_matrix(([1.5, 2], [0, 300], [0, 2, 2]), (2, 400))

    assert write_sparse(matrix, np.array([3, 3], np.float32)) == file(SPARSE, EMPTY)


@pytest.mark.parametrize("width", [1, 3, 40, 5000])
@pytest.mark.parametrize("rows", [1, 2, 17, 500])
def test_dense_rows_come_back_as_they_went(rows: int, width: int) -> None:
    random = np.random.default_rng(rows * width)
    features, label = random.random((rows, width), np.float32), random.random(rows, np.float32)

    records = read(write_dense(features, label))

    assert np.array_equal(records.features, features)
    assert records.label is not None
    assert np.array_equal(records.label, label)


def test_sparse_rows_come_back_as_they_went() -> None:
    matrix = sp.random(200, 300, 0.05, format="csr", dtype=np.float32, random_state=1)

    records = read(write_sparse(matrix, np.arange(200, dtype=np.float32)))

    assert (records.features != matrix).nnz == 0


def test_rows_of_changing_width_are_refused() -> None:
    with pytest.raises(Malformed, match="dense records differ in their number of features"):
        read(file(FLOAT32, INT32))


def test_some_labels_are_not_enough() -> None:
    with pytest.raises(Malformed, match="1 labels for 2 records"):
        read(file(FLOAT32, BARE))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2,3,4,5,6", "no RecordIO magic number at byte 0"),
        (file(FLOAT32) + b"\0\0\0\0\0", "truncated record header at byte 52"),
        (file(FLOAT32)[:-8], "truncated record at byte 0"),
        (file(NAMED)[:-1], "truncated record at byte 0"),
        (frame(b"\xff\xff"), "record 1 is not a protobuf Record"),
        (frame(b"\x1a\x01a"), "record 1 has no features"),
        (file(FLOAT32[:-2] + "40") + frame(b"\x0a\x7f"), "record 2 is not a protobuf Record"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read(content)


def test_an_empty_file_has_no_rows() -> None:
    assert read(b"").features.shape == (0, 0)


@pytest.mark.parametrize("size", [1, 7, 52, 60, 1000])
def test_a_file_in_pieces_gives_the_same_rows_however_it_is_cut(size: int) -> None:
    content = file(FLOAT32, SHAPED, FLOAT32, FLOAT32, NAMED)
    pieces = [content[start : start + size] for start in range(0, len(content), size)]

    blocks = list(stream(pieces))

    assert [row for block in blocks for row in dense(block)] == dense(read(content))
    assert [float(label) for block in blocks if block.label is not None for label in block.label] == [3.0] * 5


def test_a_piece_that_ends_within_a_record_is_named() -> None:
    content = file(FLOAT32, FLOAT32)

    with pytest.raises(Malformed, match="truncated record"):
        list(stream([content[:60], content[60:-4]]))


def test_a_bad_record_is_counted_over_all_pieces() -> None:
    bad = frame(bytes.fromhex(LABEL))

    with pytest.raises(Malformed, match="record 3 has no features"):
        list(stream([file(FLOAT32), file(FLOAT32), bad]))


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("size", [40, 1000, 1 << 20])
def test_many_sparse_rows_come_back_however_the_file_is_cut(labelled: bool, size: int) -> None:
    random = np.random.default_rng(0)
    matrix = sp.random_array((300, 70_000), density=1e-4, format="csr", rng=random, dtype=np.float32)
    label = np.arange(300, dtype=np.float32) if labelled else None
    content = write_sparse(sp.csr_matrix(matrix), label)

    blocks = list(stream([content[start : start + size] for start in range(0, len(content), size)]))

    found = sp.vstack([block.features for block in blocks])
    assert (found != matrix).nnz == 0
    labels = [block.label for block in blocks if block.label is not None]
    assert (np.concatenate(labels).tolist() if labels else None) == (label.tolist() if label is not None else None)


def test_a_sparse_row_without_a_key_for_each_value_is_named_within_others() -> None:
    tensor = "0a1f0a0676616c756573121512130a080000c03f00000040120300ac021a029003"
    short = "0a1e0a0676616c756573121412120a080000c03f000000401202ac021a029003"

    with pytest.raises(Malformed, match="record 4 has 2 values for 1 keys"):
        read(file(tensor, tensor, tensor, short, tensor))


def test_a_key_that_is_no_index_is_refused() -> None:
    negative = "0a220a0676616c75657312181216" + "0a040000c03f" + "120a" + "ff" * 9 + "01" + "1a029003"

    with pytest.raises(Malformed, match="a key that is no index"):
        read(file(negative))
