"""Files become rows: every format, missing values, weights, and errors that name the place."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from salvia_algorithms.files import channel_files
from salvia_algorithms.xgboost import data
from salvia_algorithms.xgboost.channels import CSV, LIBSVM, PARQUET, RECORDIO, Channel
from salvia_algorithms.xgboost.duplicates import warn_of_duplicates
from salvia_algorithms.xgboost.rows import Rows
from salvia_container import recordio
from salvia_container.failure import UserError
from tests.salvia_algorithms.xgboost.tree import Tree

TWO = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
LABEL = np.array([7.0, 8.0], np.float32)


def read(folder: Path, kind: str, *, csv_weights: bool = False) -> Rows | None:
    return data.read(Channel("train", kind), channel_files(folder), csv_weights=csv_weights, threads=1)


def rows_of(folder: Path, kind: str, *, csv_weights: bool = False) -> Rows:
    rows = read(folder, kind, csv_weights=csv_weights)
    assert rows is not None
    return rows


def refusal(folder: Path, kind: str, *, csv_weights: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, kind, csv_weights=csv_weights)
    return str(caught.value)


def dense(rows: Rows) -> list[list[float]]:
    features = rows.features if isinstance(rows.features, np.ndarray) else rows.features.toarray()
    return [[float(value) for value in row] for row in features]


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize("delimiter", [",", "\t", ";", " ", "|", ", "])
def test_csv_is_read_with_the_delimiter_of_its_first_line(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text(f"7{delimiter}1{delimiter}2\n8{delimiter}3{delimiter}4\n")

    rows = rows_of(tmp_path, CSV)

    assert rows.label.tolist() == [7, 8]
    assert dense(rows) == TWO.tolist()


@pytest.mark.parametrize("text", ["7,1,2\r\n8,3,4\r\n", "7,1,2\n8,3,4", "\ufeff7,1,2\n8,3,4\n", '"7","1","2"\n8,3,4\n'])
def test_csv_of_other_systems_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())

    assert dense(rows_of(tmp_path, CSV)) == TWO.tolist()


def test_an_empty_cell_is_a_missing_value(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("7,,2\n8,NaN,4\n9,NA,1e3\n")

    assert np.isnan(rows_of(tmp_path, CSV).features[:, 0]).all()


def test_the_second_column_of_csv_may_be_the_weight(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("7,0.5,1,2\n8,2,3,4\n")

    rows = rows_of(tmp_path, CSV, csv_weights=True)

    assert rows.weight is not None
    assert rows.weight.tolist() == [0.5, 2]
    assert dense(rows) == TWO.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7,1,2\n8,M,4\n", "a.csv: row 2, column 2: 'M' is not a number."),
        ("rings,sex,size\n7,1,2\n", "a.csv: row 1, column 1: 'rings' is not a number. The file seems to have a header"),
        ("7,1,2\n8,3\n", "a.csv: row 2 has 2 columns, row 1 has 3"),
        ("7,1,2\n,3,4\n", "a.csv: row 2: Label contains NaN, infinity or a value too large."),
        ("7,1,2\n8,inf,4\n", "a.csv: Input data contains `inf` or a value too large"),
    ],
)
def test_a_fault_in_csv_is_found_for_the_user(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)

    assert refusal(tmp_path, CSV).startswith(f"Failed to load csv data with exception:\n{message}")


def test_a_line_without_delimiter_is_no_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("7\n8\n")

    assert refusal(tmp_path, CSV) == "Could not determine delimiter on line 7:\nCould not determine delimiter"


def test_weights_are_not_negative(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("7,1,1,2\n8,-1,3,4\n")

    assert "a.csv: row 2: Weights must be positive values." in refusal(tmp_path, CSV, csv_weights=True)


def test_files_of_one_channel_have_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("7,1,2\n")
    (tmp_path / "b.csv").write_text("7,1\n")

    assert "b.csv has 1 feature columns, a.csv has 2" in refusal(tmp_path, CSV)


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name, label in [("b.csv", 2), ("a/z.csv", 1), ("c.csv", 3)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{label},0,0\n")

    assert rows_of(tmp_path, CSV).label.tolist() == [1, 2, 3]


def test_hidden_and_empty_files_are_skipped(tmp_path: Path) -> None:
    for name in [".hidden", "_SUCCESS", ".folder/x.csv", "empty.csv", "data.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("" if name == "empty.csv" else "1,2,3\n")

    assert [file.name for file in channel_files(tmp_path)] == ["data.csv"]


def test_folders_are_read_three_levels_deep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for level, folder in enumerate(["", "1", "1/2", "1/2/3"]):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{level}.csv").write_text("1,2,3\n")

    assert [file.name for file in channel_files(tmp_path)] == ["0.csv", "1/1.csv", "1/2/2.csv"]
    assert "exceed the limit 3" in capsys.readouterr().out


def test_a_channel_without_rows_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, CSV) is None


def test_the_same_file_in_both_channels_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for channel in ("train", "validation"):
        (tmp_path / channel).mkdir()
        (tmp_path / channel / "data.csv").write_text("1,2,3\n")

    warn_of_duplicates(channel_files(tmp_path / "train"), channel_files(tmp_path / "validation"))

    assert "Suspected identical files found." in capsys.readouterr().out


def test_libsvm_keeps_what_is_absent_missing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("7 0:1 2:2\n8\n\n9 1:0 # a remark\n")

    rows = rows_of(tmp_path, LIBSVM)

    assert rows.label.tolist() == [7, 8, 9]
    assert not isinstance(rows.features, np.ndarray)
    assert (rows.features.shape, rows.features.nnz) == ((3, 3), 3)


def test_libsvm_may_have_weights_and_query_groups(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1:0.5 qid:3 0:1\n0:2 qid:4 0:2\n")

    rows = rows_of(tmp_path, LIBSVM)

    assert rows.weight is not None
    assert rows.query is not None
    assert (rows.weight.tolist(), rows.query.tolist()) == ([0.5, 2], [3, 4])
    assert dense(rows) == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "First line '1,2,3...' of file 'a' is not 'LIBSVM' format."),
        ("1 0:1\n1 0:x\n", "Line 2 '1 0:x...' of file 'a' is not 'LIBSVM' format."),
        ("1 0:1 2\n", "First line '1 0:1 2...' of file 'a' is not 'LIBSVM' format."),
        ("1:1 0:1\n1 0:1\n", "Failed to load libsvm data with exception:\na: some rows have a weight"),
        ("1 qid:1 0:1\n1 0:1\n", "Failed to load libsvm data with exception:\na: every row needs one qid, or none"),
    ],
)
def test_a_fault_in_libsvm_is_found_for_the_user(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a").write_text(text)

    assert refusal(tmp_path, LIBSVM).startswith(message)


def test_sparse_files_of_different_width_stack(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1 0:1\n")
    (tmp_path / "b").write_text("2 5:1\n")

    assert rows_of(tmp_path, LIBSVM).features.shape == (2, 6)


def test_parquet_takes_all_kinds_of_numbers(tmp_path: Path) -> None:
    columns = parquet(y=pa.array([7, 8], pa.int64()), a=pa.array([1.5, None]), b=pa.array([True, False]))
    (tmp_path / "a.parquet").write_bytes(columns)

    rows = rows_of(tmp_path, PARQUET)

    assert rows.label.tolist() == [7, 8]
    assert rows.features[0].tolist() == [1.5, 1]
    assert np.isnan(rows.features[1, 0])


def test_parquet_text_is_refused_by_column(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(y=[1, 2], sex=["M", "F"]))

    assert "a.parquet: column 'sex' has type string" in refusal(tmp_path, PARQUET)


def test_what_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("1,2,3\n")

    assert refusal(tmp_path, PARQUET).startswith("Failed to load parquet data with exception:\na.parquet: ")


def test_recordio_dense_and_sparse_are_read(tmp_path: Path) -> None:
    for name, content in [
        ("dense", recordio.write_dense(TWO, LABEL)),
        ("sparse", recordio.write_sparse(sp.csr_matrix(TWO), LABEL)),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.pbr").write_bytes(content)

    assert dense(rows_of(tmp_path / "dense", RECORDIO)) == TWO.tolist()
    assert dense(rows_of(tmp_path / "sparse", RECORDIO)) == TWO.tolist()


def test_recordio_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pbr").write_bytes(recordio.write_dense(TWO))

    assert refusal(tmp_path, RECORDIO).startswith("Got input data without labels.")


def test_what_is_not_recordio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pbr").write_text("1,2,3,4,5,6,7,8\n")

    assert "a.pbr: no RecordIO magic number at byte 0" in refusal(tmp_path, RECORDIO)


def test_a_pipe_is_read_to_its_end(tree: Tree) -> None:
    fifo = tree.base / "input" / "data" / "train_0"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("7,1,2\n8,3,4\n",))
    writer.start()
    channel = Channel("train", CSV, pipe=True)

    rows = data.read(channel, data.files_of(tree.environment(), channel), csv_weights=False, threads=1)

    writer.join()
    assert rows is not None
    assert dense(rows) == TWO.tolist()
