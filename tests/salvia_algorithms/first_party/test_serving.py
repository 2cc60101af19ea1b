"""Requests that are answered together, each in its own form."""

import json

import numpy as np
import pytest

from salvia_algorithms.first_party.answers import Columns
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.serving import Serving
from salvia_container.serving.handler import Answer, Handler, Refusal, Request


class Sums:
    """Answers the sum of a row, and counts how often it is asked."""

    features = 2

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, batch: Batch, *, verbose: bool) -> Columns:
        self.calls += 1
        total = np.asarray(batch.features.sum(axis=1)).ravel()
        return {"total": total} | ({"twice": total * 2} if verbose else {})


def asked(model: Sums, *requests: tuple[str, str, str]) -> list[Answer]:
    handler: Handler = Serving(lambda _: model)
    return list(
        handler.answer(
            model,
            [Request(body.encode(), {"content-type": content, "accept": accept}) for body, content, accept in requests],
        )
    )


def test_each_request_gets_its_own_rows_in_its_own_form() -> None:
    model = Sums()

    answers = asked(
        model,
        ("1,2\n3,4\n", "text/csv", "text/csv"),
        ('{"instances": [{"features": [5, 6]}]}', "application/json", ""),
        ("7,8", "text/csv", "application/jsonlines"),
    )

    assert [answer.body for answer in answers] == [
        b"3.0\n7.0\n",
        b'{"predictions": [{"total": 11.0}]}',
        b'{"total": 15.0}\n',
    ]
    assert [answer.content_type for answer in answers] == ["text/csv", "application/json", "application/jsonlines"]
    assert model.calls == 1


def test_only_who_wants_more_gets_more() -> None:
    plain, verbose = asked(
        Sums(), ("1,2", "text/csv", "application/json"), ("1,2", "text/csv", "application/json; verbose=true")
    )

    assert json.loads(bytes(plain.body))["predictions"] == [{"total": 3}]  # type: ignore[arg-type]
    assert json.loads(bytes(verbose.body))["predictions"] == [{"total": 3, "twice": 6}]  # type: ignore[arg-type]


def test_sparse_and_dense_rows_are_answered_beside_each_other() -> None:
    sparse = '{"instances": [{"data": {"features": {"keys": [1], "shape": [2], "values": [4]}}}]}'

    answers = asked(Sums(), (sparse, "application/json", "text/csv"), ("1,2", "text/csv", "text/csv"))

    assert [answer.body for answer in answers] == [b"4.0\n", b"3.0\n"]


@pytest.mark.parametrize(
    ("body", "content", "accept", "status"),
    [("1", "text/csv", "", 400), ("1,2", "text/plain", "", 415), ("1,2", "text/csv", "image/png", 406)],
)
def test_a_wrong_request_is_refused(body: str, content: str, accept: str, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        asked(Sums(), (body, content, accept))

    assert caught.value.status == status
