"""Channels become mini-batches: every format, however files are cut, and errors that name the place."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from salvia_algorithms.first_party import source
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.channels import CSV, RECORDIO, Channel
from salvia_algorithms.first_party.source import Room, Source
from salvia_container import recordio
from salvia_container.failure import UserError
from tests.salvia_algorithms.first_party.tree import Tree
from tests.salvia_algorithms.tree import as_csv

FEATURES = np.arange(20, dtype=np.float32).reshape(10, 2)
LABEL = np.arange(10, dtype=np.float32)
ROWS = np.column_stack([LABEL, FEATURES])


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml")


def read(tree: Tree, kind: str = CSV, *, size: int = 4, labels: int = 1, **more: Any) -> list[Batch]:
    return list(Source(tree.environment(), Channel("train", kind, labels=labels), **more).batches(size))


def refusal(tree: Tree, kind: str = CSV, **more: int) -> str:
    with pytest.raises(UserError) as caught:
        read(tree, kind, **more)
    return str(caught.value)


def joined(batches: list[Batch]) -> list[list[float]]:
    return [[float(value) for value in row] for batch in batches for row in batch.dense()]


@pytest.mark.parametrize("kind", [CSV, RECORDIO])
def test_rows_come_in_mini_batches_across_files(tree: Tree, kind: str) -> None:
    for name, part in (("a", slice(0, 3)), ("b", slice(3, 10))):
        content = as_csv(ROWS[part]) if kind == CSV else recordio.write_dense(FEATURES[part], LABEL[part])
        tree.channel("train", content, file=name)

    batches = read(tree, kind)

    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert joined(batches) == FEATURES.tolist()
    assert np.concatenate([batch.label for batch in batches if batch.label is not None]).tolist() == LABEL.tolist()


@pytest.mark.parametrize("kind", [CSV, RECORDIO])
def test_a_file_larger_than_a_block_is_read_in_blocks(tree: Tree, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BLOCK_BYTES", 64)
    tree.channel("train", as_csv(ROWS) if kind == CSV else recordio.write_dense(FEATURES, LABEL))

    blocks = list(Source(tree.environment(), Channel("train", kind)).blocks())

    assert len(blocks) > 1
    assert joined(blocks) == FEATURES.tolist()


def test_csv_without_labels(tree: Tree) -> None:
    tree.channel("train", as_csv(FEATURES))

    batches = read(tree, labels=0)

    assert joined(batches) == FEATURES.tolist()
    assert batches[0].label is None


def test_sparse_rows_stay_sparse_and_take_the_declared_width(tree: Tree) -> None:
    matrix = sp.csr_matrix(np.array([[0, 2, 0], [1, 0, 0]], np.float32))
    tree.channel("train", recordio.write_sparse(matrix, LABEL[:2]))

    (batch,) = read(tree, RECORDIO, feature_dim=5)

    assert batch.sparse
    assert batch.dense().tolist() == [[0, 2, 0, 0, 0], [1, 0, 0, 0, 0]]


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_the_second_pass_gives_the_same_rows_kept_or_not(tree: Tree, room: int) -> None:
    tree.channel("train", as_csv(ROWS))
    rows = Source(tree.environment(), Channel("train", CSV), room=Room(room))

    first, second = list(rows.batches(4)), list(rows.batches(4))

    assert joined(first) == joined(second) == FEATURES.tolist()


def test_rows_that_fit_are_decoded_once(tree: Tree) -> None:
    tree.channel("train", as_csv(ROWS))
    rows = Source(tree.environment(), Channel("train", CSV))
    list(rows.blocks())
    (tree.base / "input" / "data" / "train" / "data").unlink()

    assert joined(list(rows.batches(10))) == FEATURES.tolist()


def test_a_pipe_is_read_anew_for_every_pass(tree: Tree) -> None:
    folder = tree.base / "input" / "data"
    folder.mkdir(parents=True)
    for epoch in (0, 1):
        os.mkfifo(folder / f"train_{epoch}")
    writers = [
        threading.Thread(target=(folder / f"train_{epoch}").write_text, args=(as_csv(ROWS[epoch:]),))
        for epoch in (0, 1)
    ]
    for writer in writers:
        writer.start()
    rows = Source(tree.environment(), Channel("train", CSV, pipe=True), keep=False)

    passes = [joined(list(rows.batches(100))) for _ in (0, 1)]

    for writer in writers:
        writer.join()
    assert passes == [FEATURES.tolist(), FEATURES[1:].tolist()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1,2,3\n1,x,3\n", "row 2, column 2: 'x' is not a number"),
        ("label,a,b\n1,2,3\n", "seems to have a header row"),
        ("1,2,3\n1,2\n", "row 2 has 2 columns, row 1 has 3"),
        ("1\n2\n", r"1 column(s) found"),
        ("\n\n", "column(s) found"),
    ],
)
def test_csv_that_cannot_be_read_names_file_row_and_reason(tree: Tree, content: str, reason: str) -> None:
    tree.channel("train", content)

    message = refusal(tree)

    assert message.startswith("Unable to parse csv: from row ")
    assert "/input/data/train/data" in message
    assert reason in message


@pytest.mark.parametrize("content", [b"1,2,3\n1,2,3\n", recordio.write_dense(FEATURES)[:-3]])
def test_recordio_that_cannot_be_read_names_what_was_requested(tree: Tree, content: bytes) -> None:
    tree.channel("train", content)

    assert refusal(tree, RECORDIO).startswith(
        "Unable to read data channel 'train'. Requested content-type is 'application/x-recordio-protobuf'. "
        "Please verify the data matches the requested content-type."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1,2,3\n1,,3\n", "Feature 1 of row 2 of"),
        ("1,2,3\n1,2,inf\n", "Feature 2 of row 2 of"),
        ("1,2,3\nnan,2,3\n", "The label of row 2 of"),
    ],
)
def test_numbers_that_are_not_finite_are_named(tree: Tree, content: str, reason: str) -> None:
    tree.channel("train", content)

    assert refusal(tree).startswith(reason)


def test_a_sum_that_overflows_is_no_reason_to_refuse(tree: Tree) -> None:
    tree.channel("train", "1,3e38,3e38\n")

    assert len(read(tree)) == 1


def test_another_width_than_declared_is_refused(tree: Tree) -> None:
    tree.channel("train", as_csv(ROWS))

    assert "rows with 2 features, but feature_dim is 3" in refusal(tree, feature_dim=3)


def test_files_of_different_widths_are_refused(tree: Tree) -> None:
    tree.channel("train", "1,2,3\n", file="a")
    tree.channel("train", "1,2,3,4\n", file="b")

    assert "rows with 3 features, but others have 2" in refusal(tree)
