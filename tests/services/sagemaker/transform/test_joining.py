"""What is sent of a record, and what is kept beside its answer: the examples of AWS's documentation, and what goes wrong."""

from typing import Any

import pytest

from salvia.services.sagemaker.transform.joining import JoinError, Joining


def joining(content_type: str, split: str = "Line", **asked: str) -> Joining:
    spec: dict[str, Any] = {
        "TransformInput": {"ContentType": content_type, "SplitType": split},
        "DataProcessing": asked,
    }
    found = Joining.of(spec)
    assert found is not None
    return found


def test_nothing_asked_is_nothing_done() -> None:
    spec: dict[str, Any] = {"TransformInput": {"SplitType": "Line"}, "DataProcessing": {"InputFilter": "$"}}

    assert Joining.of(spec) is None


def test_an_id_is_not_sent_and_stands_beside_the_answer_of_csv() -> None:
    made = joining("text/csv", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")

    assert made.to_send(b"id1,1,2\nid2,3,4\n") == b"1,2\n3,4"
    assert made.to_keep(b"id1,1,2\nid2,3,4\n", b"0.1\n0.2\n") == b"id1,0.1\nid2,0.2\n"


def test_quotes_in_csv_stay_what_they_are() -> None:
    made = joining("text/csv", InputFilter="$[1]", JoinSource="Input", OutputFilter="$[0,-1]")

    assert made.to_send(b'"a,b",x') == b"x"
    assert made.to_keep(b'"a,b",x', b"1") == b'"a,b",1\n'


def test_json_gets_the_answer_as_an_attribute() -> None:
    made = joining(
        "application/jsonlines", InputFilter="$.features", JoinSource="Input", OutputFilter="$['id','SageMakerOutput']"
    )
    lines = b'{"id":1,"features":[1,2]}\n{"id":2,"features":[3,4]}\n'

    assert made.to_send(lines) == b"[1,2]\n[3,4]"
    assert made.to_keep(lines, b'{"p":0.1}\n{"p":0.2}\n') == (
        b'{"id":1,"SageMakerOutput":{"p":0.1}}\n{"id":2,"SageMakerOutput":{"p":0.2}}\n'
    )


def test_json_that_is_no_object_becomes_one() -> None:
    made = joining("application/json", "None", JoinSource="Input")

    assert made.to_keep(b"[1,\n2]", b'{"p": 1}') == b'{"SageMakerInput":[1,2],"SageMakerOutput":{"p":1}}\n'


def test_without_a_join_the_answer_alone_is_filtered() -> None:
    made = joining("application/jsonlines", OutputFilter="$.p")

    assert made.to_keep(b'{"x":1}\n{"x":2}', b'{"p":1}\n{"p":2}') == b"1\n2\n"


@pytest.mark.parametrize(
    ("content_type", "payload", "answer", "said"),
    [
        ("text/csv", b"1\n2\n", b"1\n", "gave 1 answers to 2 records"),
        ("application/jsonlines", b"{}\n{}", b"{}\n{", "is not JSON"),
        ("application/jsonlines", b"{\n{}", b"{}\n{}", "is not JSON"),
    ],
)
def test_what_cannot_be_joined_is_an_error(content_type: str, payload: bytes, answer: bytes, said: str) -> None:
    with pytest.raises(JoinError, match=said):
        joining(content_type, JoinSource="Input").to_keep(payload, answer)


def test_a_filter_that_does_not_fit_a_record_is_an_error() -> None:
    with pytest.raises(JoinError, match="index 3 is outside of an array of 2"):
        joining("text/csv", InputFilter="$[3]").to_send(b"1,2")
