"""What a tabular model is asked and answers, alone and together with others."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salvia_algorithms.tabular.serving import Cells, Serving, number
from salvia_container.serving.handler import Answer, Refusal, Request


class Sums:
    """The sum of a row's numbers; of classes, its share."""

    features = 2

    def __init__(self, *classes: int) -> None:
        self.classes = classes

    def predict(self, cells: Cells) -> Any:
        sums = np.array([sum(map(number, row)) for row in cells])
        return np.stack([1 - sums, sums], axis=1) if self.classes else sums


def answers(model: Sums, *requests: tuple[str, str]) -> Sequence[Answer]:
    asked = [Request(body.encode(), {"content-type": "text/csv", "accept": accept}) for body, accept in requests]
    return Serving(lambda _: model).answer(model, asked)


def test_each_request_gets_its_own_rows() -> None:
    one, two, three = answers(Sums(), ("1,2\n3,4", ""), ("5,6\n", "*/*"), ("7,8\r\n\r\n9,10", "text/csv"))

    assert json.loads(one.body) == {"prediction": [3.0, 7.0]}  # type: ignore[arg-type]
    assert json.loads(two.body) == {"prediction": [11.0]}  # type: ignore[arg-type]
    assert (three.body, three.content_type) == (b"15.0\n19.0\n", "text/csv")


def test_who_wants_all_gets_the_label_too() -> None:
    short, long, lines = answers(
        Sums(3, 8), ("0.25,0", "application/json"), ("0.25,0.5", "application/json; verbose"), ("0,1", "text/csv")
    )

    assert json.loads(short.body) == {"probabilities-1d": [[0.25]], "probabilities": [[0.75, 0.25]]}  # type: ignore[arg-type]
    assert json.loads(long.body)["predicted_label"] == [8]  # type: ignore[arg-type]
    assert lines.body == b"0.0,1.0\n"


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        ("1,2", {"content-type": "application/json"}, 415, "unsupported content type application/json"),
        ("1,2", {}, 415, "unsupported content type unknown"),
        ("1,2", {"content-type": "text/csv", "accept": "image/png"}, 406, "Accept type image/png is not supported"),
        ("", {"content-type": "text/csv"}, 400, "there are no rows in it"),
        ("1,2\n1,2,3", {"content-type": "text/csv"}, 400, "row 2 has 3 features, the model has 2"),
        ("1,two", {"content-type": "text/csv"}, 400, "could not convert string to float: 'two'"),
    ],
)
def test_a_wrong_request_is_refused(body: str, headers: dict[str, str], status: int, reason: str) -> None:
    model = Sums()

    with pytest.raises(Refusal) as refused:
        Serving(lambda _: model).answer(model, [Request(body.encode(), headers)])

    assert refused.value.status == status
    assert reason in refused.value.message


def test_missing_cells_are_not_numbers() -> None:
    assert np.isnan(number(""))
    assert np.isnan(number("NA"))
    assert Serving(lambda folder: Sums(len(folder.parts))).load(Path()).features == 2
