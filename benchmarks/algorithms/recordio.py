"""recordio-protobuf: rows written and read a CPU second, beside protobuf's own library, as AWS's SDK uses it, row by row."""

import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from benchmarks.measured.report import machine, table, verdict

from salvia_container import recordio

ROWS, FEATURES, PEER_ROWS = 200_000, 50, 20_000
SPARSE_ROWS, WIDTH, SET = 20_000, 100_000, 20
GOAL = 20


def record_class() -> Any:
    """AWS's message, of which only what float32 records need is declared."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")
    kind = descriptor_pb2.FieldDescriptorProto
    tensor = file.message_type.add(name="Float32Tensor")
    values = tensor.field.add(name="values", number=1, type=kind.TYPE_FLOAT, label=kind.LABEL_REPEATED)
    values.options.packed = True
    for number, name in enumerate(("keys", "shape"), start=2):
        more = tensor.field.add(name=name, number=number, type=kind.TYPE_UINT64, label=kind.LABEL_REPEATED)
        more.options.packed = True
    value = file.message_type.add(name="Value")
    value.field.add(
        name="float32_tensor", number=2, type=kind.TYPE_MESSAGE, type_name=".aialgs.data.Float32Tensor", label=1
    )
    record = file.message_type.add(name="Record")
    for number, (field, entry) in enumerate((("features", "FeaturesEntry"), ("label", "LabelEntry")), start=1):
        pair = record.nested_type.add(name=entry)
        pair.options.map_entry = True
        pair.field.add(name="key", number=1, type=kind.TYPE_STRING, label=1)
        pair.field.add(name="value", number=2, type=kind.TYPE_MESSAGE, type_name=".aialgs.data.Value", label=1)
        name = f".aialgs.data.Record.{entry}"
        record.field.add(name=field, number=number, type=kind.TYPE_MESSAGE, type_name=name, label=kind.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))


def write_by_protobuf(rows: Any, labels: Any) -> bytes:
    record, out = record_class()(), bytearray()
    for row, label in zip(rows, labels, strict=True):
        record.Clear()
        record.features["values"].float32_tensor.values.extend(row)
        record.label["values"].float32_tensor.values.extend([label])
        content = record.SerializeToString()
        out += struct.pack("<II", recordio.MAGIC, len(content)) + content + bytes(-len(content) % 4)
    return bytes(out)


def write_sparse_by_protobuf(rows: sp.csr_matrix, labels: Any) -> bytes:
    record, out = record_class()(), bytearray()
    for number, label in enumerate(labels):
        row = rows[number]
        record.Clear()
        tensor = record.features["values"].float32_tensor
        tensor.values.extend(row.data)
        tensor.keys.extend(row.indices)
        tensor.shape.extend([rows.shape[1]])
        record.label["values"].float32_tensor.values.extend([label])
        content = record.SerializeToString()
        out += struct.pack("<II", recordio.MAGIC, len(content)) + content + bytes(-len(content) % 4)
    return bytes(out)


def read_sparse_by_protobuf(content: bytes) -> sp.csr_matrix:
    kind, values, keys, ends, at = record_class(), [], [], [0], 0
    while at < len(content):
        _, length = struct.unpack_from("<II", content, at)
        record = kind()
        record.ParseFromString(content[at + 8 : at + 8 + length])
        tensor = record.features["values"].float32_tensor
        values.extend(tensor.values)
        keys.extend(tensor.keys)
        ends.append(len(keys))
        at += 8 + -(-length // 4) * 4
    return sp.csr_matrix((np.array(values, np.float32), keys, ends), shape=(len(ends) - 1, WIDTH))


def sparse() -> tuple[sp.csr_matrix, Any]:
    random = np.random.default_rng(0)
    keys = np.sort(random.integers(0, WIDTH // SET, (SPARSE_ROWS, SET)) + np.arange(SET) * (WIDTH // SET), axis=1)
    values = random.normal(size=keys.size).astype(np.float32)
    rows = sp.csr_matrix((values, keys.ravel(), np.arange(0, keys.size + 1, SET)), shape=(SPARSE_ROWS, WIDTH))
    return rows, random.integers(0, 2, SPARSE_ROWS).astype(np.float32)


def read_by_protobuf(content: bytes) -> tuple[Any, Any]:
    kind, rows, labels, at = record_class(), [], [], 0
    while at < len(content):
        _, length = struct.unpack_from("<II", content, at)
        record = kind()
        record.ParseFromString(content[at + 8 : at + 8 + length])
        rows.append(np.array(record.features["values"].float32_tensor.values, np.float32))
        labels.append(record.label["values"].float32_tensor.values[0])
        at += 8 + -(-length // 4) * 4
    return np.stack(rows), np.array(labels, np.float32)


def rate(rows: int, work: Callable[[], object]) -> float:
    """Rows a CPU second, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return rows / best


def main() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, FEATURES)).astype(np.float32)
    labels = random.integers(0, 2, ROWS).astype(np.float32)
    few, their_labels = rows[:PEER_ROWS], labels[:PEER_ROWS]
    whole, part = recordio.write_dense(rows, labels), write_by_protobuf(few, their_labels)
    if whole[: len(part)] != part:
        raise SystemExit("what is written is not what protobuf writes")
    found = recordio.read(whole)
    if not (np.array_equal(found.features, rows) and np.array_equal(read_by_protobuf(part)[0], few)):
        raise SystemExit("what was read is not what was written")
    rates = {
        "write": (
            rate(ROWS, lambda: recordio.write_dense(rows, labels)),
            rate(PEER_ROWS, lambda: write_by_protobuf(few, their_labels)),
        ),
        "read": (rate(ROWS, lambda: recordio.read(whole)), rate(PEER_ROWS, lambda: read_by_protobuf(part))),
    }
    thin, its = sparse()
    packed, theirs = recordio.write_sparse(thin, its), write_sparse_by_protobuf(thin, its)
    if (recordio.read(theirs).features != thin).nnz or (read_sparse_by_protobuf(packed) != thin).nnz:
        raise SystemExit("what was read of sparse records is not what was written")
    sparse_rates = {
        "write sparse": (
            rate(SPARSE_ROWS, lambda: recordio.write_sparse(thin, its)),
            rate(SPARSE_ROWS, lambda: write_sparse_by_protobuf(thin, its)),
        ),
        "read sparse": (
            rate(SPARSE_ROWS, lambda: recordio.read(theirs)),
            rate(SPARSE_ROWS, lambda: read_sparse_by_protobuf(theirs)),
        ),
    }
    print(machine())
    print(f"dense float32 rows of {FEATURES} features with a label; the bytes are the same")
    print(f"sparse: {SET} values of {WIDTH:,}")
    every = rates | sparse_rates
    lines = [[name, f"{own:,.0f}", f"{peer:,.0f}", f"{own / peer:.1f}x"] for name, (own, peer) in every.items()]
    print(table(["", "Salvia, rows a CPU s", "protobuf, rows a CPU s", "Salvia is"], lines))
    for name, (own, peer) in rates.items():
        print(f"goal: {name} {GOAL}x as many rows: {verdict(-own / peer, -GOAL)} ({own / peer:.0f}x)")


if __name__ == "__main__":
    main()
