"""Built-in XGBoost answers as AWS's container does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import xgboost as xgb

from salvia_algorithms.xgboost.serving.handler import XGBoost
from salvia_container import recordio
from salvia_container.failure import UserError
from salvia_container.serving.answering import failure
from salvia_container.serving.handler import Answer, Refusal, Request

ROWS = np.random.default_rng(1).random((30, 3), np.float32)
LABEL = np.random.default_rng(2).integers(0, 3, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trained(tmp_path)
    return tmp_path


def trained(folder: Path, objective: str = "reg:squarederror", **params: Any) -> xgb.Booster:
    label = LABEL if objective.startswith("multi") else LABEL % 2
    matrix = xgb.DMatrix(ROWS, label)
    booster = xgb.train({"objective": objective, "max_depth": 3, "nthread": 1, **params}, matrix, 3)
    (folder / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    return booster


def ask(folder: Path, *requests: tuple[bytes | str, str, str]) -> list[Answer]:
    """Answers to (body, content type, accept), given together; what is refused comes one by one, as in a worker."""
    handler = XGBoost()
    model = handler.load(folder)
    asked = [
        Request(body.encode() if isinstance(body, str) else body, {"content-type": kind, "accept": accept})
        for body, kind, accept in requests
    ]
    try:
        return list(handler.answer(model, asked))
    except Refusal as refusal:
        if len(asked) == 1:
            return [failure(refusal)]
    return [answer for request in requests for answer in ask(folder, request)]


def csv_of(rows: Any) -> str:
    return "\n".join(",".join(map(repr, row)) for row in rows.tolist())


def scores(folder: Path, rows: Any = ROWS) -> list[float]:
    booster = xgb.Booster(model_file=folder / "xgboost-model")
    predicted: list[float] = booster.predict(xgb.DMatrix(rows)).tolist()
    return predicted


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8", "TEXT/CSV", ""])
def test_csv_comes_back_as_one_line_of_scores(folder: Path, kind: str) -> None:
    (answer,) = ask(folder, (csv_of(ROWS), kind, "*/*"))

    assert answer.body == ",".join(map(str, scores(folder))).encode()
    assert (answer.status, answer.content_type) == (200, "text/csv; charset=utf-8")


def test_batch_transform_gets_a_line_for_each_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    (answer,) = ask(folder, (csv_of(ROWS), "text/csv", ""))

    assert answer.body == "".join(f"{score}\n" for score in scores(folder)).encode()


def test_requests_of_all_kinds_that_come_together_get_their_own_rows(folder: Path) -> None:
    sparse = sp.csr_matrix(ROWS[:2])
    libsvm = "\n".join(" ".join(f"{i}:{v!r}" for i, v in enumerate(row)) for row in ROWS[:2].tolist())
    answers = ask(
        folder,
        (csv_of(ROWS[:1]), "text/csv", ""),
        (csv_of(ROWS[1:4]), "text/csv", ""),
        (libsvm, "text/libsvm", ""),
        ("\n".join(f"1 {line}" for line in libsvm.split("\n")), "text/x-libsvm", ""),
        (recordio.write_dense(ROWS[4:6]), "application/x-recordio-protobuf", ""),
        (recordio.write_sparse(sparse), "application/x-recordio-protobuf", ""),
    )
    expected = [ROWS[:1], ROWS[1:4], ROWS[:2], ROWS[:2], ROWS[4:6], ROWS[:2]]

    for answer, rows in zip(answers, expected, strict=True):
        assert answer.body == ",".join(map(str, scores(folder, rows))).encode()


@pytest.mark.parametrize("text", ["0.5,,0.25", "0.5,nan,0.25", "0.5;;0.25", "0.5\t\t0.25", " 0.5, nan ,0.25\r\n"])
def test_csv_may_miss_values_and_have_other_delimiters(folder: Path, text: str) -> None:
    rows = np.array([[0.5, np.nan, 0.25]], np.float32)

    assert ask(folder, (text, "text/csv", ""))[0].body == str(scores(folder, rows)[0]).encode()


def test_large_csv_is_read_as_small_csv_is(folder: Path) -> None:
    rows = np.tile(ROWS, (100, 1))

    assert ask(folder, (csv_of(rows), "text/csv", ""))[0].body == ",".join(map(str, scores(folder, rows))).encode()


def test_a_row_may_lack_its_last_column(folder: Path) -> None:
    rows = ROWS.copy()
    rows[:, 2] = np.nan

    assert (
        ask(folder, (csv_of(ROWS[:, :2]), "text/csv", ""))[0].body == ",".join(map(str, scores(folder, rows))).encode()
    )


def test_json_forms_and_recordio_are_answered_on_request(folder: Path) -> None:
    accepts = ("application/json", "application/jsonlines", "application/x-recordio-protobuf", "text/plain, */*;q=0.1")
    as_json, lines, records, other = ask(folder, *[(csv_of(ROWS[:2]), "text/csv", accept) for accept in accepts])
    expected = scores(folder, ROWS[:2])
    assert all(isinstance(answer.body, bytes) for answer in (as_json, lines, records))

    assert json.loads(as_json.body) == {"predictions": [{"score": score} for score in expected]}  # type: ignore[arg-type]
    assert [json.loads(line) for line in lines.body.splitlines()] == [{"score": score} for score in expected]  # type: ignore[union-attr]
    assert records.body == recordio.write_labels({"score": np.array(expected, np.float32)})
    assert (as_json.content_type, other.content_type) == ("application/json", "text/csv; charset=utf-8")


def test_the_default_form_can_be_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/jsonlines")

    assert [answer.content_type for answer in ask(folder, ("1,2,3", "text/csv", "*/*"))] == ["application/jsonlines"]


def test_softprob_answers_a_list_for_each_row(tmp_path: Path) -> None:
    booster = trained(tmp_path, "multi:softprob", num_class=3)
    expected = booster.predict(xgb.DMatrix(ROWS[:2])).tolist()

    assert ask(tmp_path, (csv_of(ROWS[:2]), "text/csv", ""))[0].body == ",".join(map(str, expected)).encode()


def test_selected_values_have_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_INFERENCE_OUTPUT", "predicted_label, probabilities,predicted_score")
    booster = trained(tmp_path, "multi:softprob", num_class=3)
    (expected,) = booster.predict(xgb.DMatrix(ROWS[:1])).astype(float).tolist()
    accepts = ("application/json", "text/csv", "application/x-recordio-protobuf")
    as_json, as_csv, refused = ask(tmp_path, *[(csv_of(ROWS[:1]), "text/csv", accept) for accept in accepts])

    row = json.loads(as_json.body)["predictions"][0]  # type: ignore[arg-type]
    assert (row["predicted_label"], row["probabilities"]) == (int(np.argmax(expected)), expected)
    assert as_csv.body == f'{np.argmax(expected)},"{json.dumps(expected)}",nan\n'.encode()
    assert refused.status == 200


@pytest.mark.parametrize(
    ("objective", "given"),
    [
        ("binary:logistic", {"predicted_label", "labels", "probability", "probabilities", "raw_score", "raw_scores"}),
        ("binary:logitraw", {"predicted_label", "labels", "raw_score", "raw_scores"}),
        ("binary:hinge", {"predicted_label", "labels", "raw_score", "raw_scores"}),
        ("reg:squarederror", {"predicted_score"}),
    ],
)
def test_each_objective_has_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str, given: set[str]
) -> None:
    keys = "predicted_label,labels,probability,probabilities,raw_score,raw_scores,predicted_score"
    monkeypatch.setenv("SAGEMAKER_INFERENCE_OUTPUT", keys)
    trained(tmp_path, objective)
    (answer,) = ask(tmp_path, (csv_of(ROWS[:1]), "text/csv", "application/json"))
    row = json.loads(answer.body)["predictions"][0]  # type: ignore[arg-type]

    assert {name for name, value in row.items() if value == value} == given  # noqa: PLR0124 - NaN is not


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status", "message"),
    [
        ("", "text/csv", "", 204, ""),
        ("1,2,3", "image/png", "", 415, "Content-type image/png not supported. Supported content-type is text/csv"),
        ("1,2,3", "application/json", "", 415, "Content-type application/json not supported"),
        ("1,2,3", "text/csv", "image/png", 406, "Accept type image/png is not supported"),
        ("1,a,3", "text/csv", "", 415, "Loading csv data failed with Exception, please ensure data is in csv format"),
        ("1,2,3\n4,5", "text/csv", "", 415, "row 2 has 2 columns, row 1 has 3"),
        ("x", "text/libsvm", "", 415, "Loading libsvm data failed with Exception, please ensure data is in libsvm"),
        (b"xxxx", "application/x-recordio-protobuf", "", 415, "Loading recordio-protobuf data failed with Exception"),
        ("1,2,3,4", "text/csv", "", 400, "Feature size of csv inference data 4 is not consistent with feature size"),
        ("1", "text/csv", "", 400, "Feature size of csv inference data 1 is not consistent with feature size"),
        ("0:1 9:2", "text/libsvm", "", 400, "Feature size of libsvm inference data 10 is larger than feature size"),
    ],
)
def test_what_is_wrong_is_refused_in_the_words_of_aws(
    folder: Path, body: bytes | str, kind: str, accept: str, status: int, message: str
) -> None:
    (answer,) = ask(folder, (body, kind, accept))

    assert answer.status == status
    assert isinstance(answer.body, bytes)
    assert message in answer.body.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SAGEMAKER_INFERENCE_OUTPUT", "predicted_lable"), ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "image/png")],
)
def test_settings_that_mean_nothing_end_the_container(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(UserError, match=name):
        XGBoost().load(folder)


def test_execution_parameters_are_those_of_aws() -> None:
    assert {**XGBoost().execution_parameters(), "MaxConcurrentTransforms": 0} == {
        "MaxConcurrentTransforms": 0,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }
