"""Requests in every form give the same rows, answers in every form say the same, and what is wrong is named."""

import json
import struct

import numpy as np
import pytest
import scipy.sparse as sp

from salvia_algorithms.first_party.answers import Accepted, accepted, encode
from salvia_algorithms.first_party.requests import CSV, JSON, JSON_LINES, RECORDIO, decode
from salvia_container import recordio
from salvia_container.serving.handler import Refusal

ROWS = np.array([[1.5, 0, 2], [0, 3, 4]], np.float32)
SPARSE = sp.csr_matrix(ROWS)
COLUMNS = {"closest_cluster": np.array([1, 0], np.float32), "distance_to_cluster": np.array([3, 0.5], np.float32)}


def instances(*found: object) -> bytes:
    return json.dumps({"instances": found}).encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"1.5,0,2\n0,3,4\n", CSV),
        (b"1.5, 0,2e0\r\n\r\n0,3,4", "text/csv; charset=utf-8"),
        (instances({"features": [1.5, 0, 2]}, {"features": [0, 3, 4]}), JSON),
        (instances({"data": {"features": {"values": [1.5, 0, 2]}}}, {"features": [0, 3, 4]}), "application/json"),
        (
            instances(
                {"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1.5, 2]}}},
                {"data": {"features": {"keys": [1, 2], "shape": [3], "values": [3, 4]}}},
            ),
            JSON,
        ),
        (b'{"features": [1.5, 0, 2]}\n{"data": {"features": {"values": [0, 3, 4]}}}\n', JSON_LINES),
        (recordio.write_dense(ROWS), RECORDIO),
        (recordio.write_sparse(SPARSE), RECORDIO),
    ],
)
def test_every_form_gives_the_same_rows(body: bytes, content_type: str) -> None:
    assert decode(body, content_type, 3).dense().tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b"<xml/>", "text/xml", 415, "Content type text/xml is not supported"),
        (b"1,2,3", "", 415, "Content type none is not supported"),
        (b"1,2", CSV, 400, "row 1 has 2 features, the model has 3"),
        (b"1,2,x", CSV, 400, "could not convert string to float: 'x'"),
        (b"1,2,nan", CSV, 400, "all features must be finite numbers"),
        (b"1,2,1e39", CSV, 400, "all features must be finite numbers"),
        (b"\xff,2,3", CSV, 400, "can't decode"),
        (b"", CSV, 400, "there are no records in it"),
        (b"{", JSON, 400, "Expecting property name"),
        (b"[1]", JSON, 400, 'not a JSON object with a list of "instances"'),
        (instances({"values": [1, 2, 3]}), JSON, 400, "no 'features' in an instance"),
        (instances({"features": [1, 2]}), JSON, 400, "instance 1 has 2 features, the model has 3"),
        (instances({"features": [1, 2, None]}), JSON, 400, "unable to evaluate payload provided"),
        (instances({"features": {"keys": [3], "values": [1]}}), JSON, 400, "features that the model does not have"),
        (instances({"features": {"keys": [1, 2], "values": [1]}}), JSON, 400, "has 1 values for 2 keys"),
        (instances(7), JSON, 400, "unable to evaluate payload provided"),
        (recordio.write_dense(ROWS[:, :2]), RECORDIO, 400, "records have 2 features, the model has 3"),
        (b"1,2,3", RECORDIO, 400, "truncated record header at byte 0"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, content_type: str, status: int, message: str) -> None:
    with pytest.raises(Refusal) as refused, np.errstate(over="ignore"):
        decode(body, content_type, 3)

    assert refused.value.status == status
    assert message in refused.value.message


def test_answers_have_the_forms_of_aws() -> None:
    assert json.loads(encode(COLUMNS, JSON)) == {
        "predictions": [
            {"closest_cluster": 1.0, "distance_to_cluster": 3.0},
            {"closest_cluster": 0.0, "distance_to_cluster": 0.5},
        ]
    }
    assert encode(COLUMNS, CSV) == b"1.0,3.0\n0.0,0.5\n"
    assert encode({"score": np.array([0.5])}, JSON_LINES) == b'{"score": 0.5}\n'
    assert encode({"score": np.array([0.5])}, JSON, key="scores") == b'{"scores": [{"score": 0.5}]}'
    assert encode({"projection": np.array([[1.0, 2.0]])}, JSON_LINES) == b'{"projection": [1.0, 2.0]}\n'
    assert encode({"projection": np.array([[1.0, 2.0]])}, CSV) == b"1.0,2.0\n"


def test_recordio_answers_are_labels_of_records_without_features() -> None:
    raw = encode(COLUMNS, RECORDIO)
    magic, length = struct.unpack_from("<II", raw)

    assert magic == recordio.MAGIC
    assert len(raw) == 2 * (8 + -(-length // 4) * 4)
    assert raw[8:10] == b"\x12" + bytes([2 + 15 + 2 + 2 + 2 + 4])
    assert b"\x0a\x0fclosest_cluster\x12\x08\x12\x06\x0a\x04" + struct.pack("<f", 1) in raw
    assert b"\x0a\x13distance_to_cluster\x12\x08\x12\x06\x0a\x04" + struct.pack("<f", 0.5) in raw


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        ("", Accepted(JSON)),
        ("*/*", Accepted(JSON)),
        ("application/json; verbose=true", Accepted(JSON, verbose=True)),
        ("text/html, text/csv", Accepted(CSV)),
        (RECORDIO, Accepted(RECORDIO)),
        ("application/jsonlines", Accepted(JSON_LINES)),
    ],
)
def test_the_client_chooses_the_form(accept: str, found: Accepted) -> None:
    assert accepted(accept) == found


def test_a_form_that_there_is_not_is_refused() -> None:
    with pytest.raises(Refusal, match="Accept type image/png is not supported") as refused:
        accepted("image/png")

    assert refused.value.status == 406
