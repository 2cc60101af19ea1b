"""JSONPath as batch transform has it."""

from typing import Any

import pytest

from salvia.services.sagemaker.transform.jsonpath import JsonPath, NotInRecordError

ROW = ["a", "b", "c", "d"]
DOCUMENT = {"id": 1, "x": {"y": [1, 2], "z": 3}, "all": [{"n": 1}, {"n": 2}], "two words": 4}


@pytest.mark.parametrize(
    ("expression", "value", "found"),
    [
        ("$", ROW, ROW),
        ("$[0]", ROW, "a"),
        ("$[-1]", ROW, "d"),
        ("$[1:]", ROW, ["b", "c", "d"]),
        ("$[:-1]", ROW, ["a", "b", "c"]),
        ("$[0,2:]", ROW, ["a", "c", "d"]),
        ("$[0, -1]", ROW, ["a", "d"]),
        ("$[*]", ROW, ROW),
        ("$.id", DOCUMENT, 1),
        ("$['id']", DOCUMENT, 1),
        ("$['two words']", DOCUMENT, 4),
        ('$["id"]', DOCUMENT, 1),
        ("$['id','two words']", DOCUMENT, {"id": 1, "two words": 4}),
        ("$.x.y[1]", DOCUMENT, 2),
        ("$.x.['y','z']", DOCUMENT, {"y": [1, 2], "z": 3}),
        ("$.x.*", DOCUMENT, [[1, 2], 3]),
        ("$.all[*].n", DOCUMENT, [1, 2]),
        ("$.all[0:1].n", DOCUMENT, [1]),
    ],
)
def test_an_expression_finds(expression: str, value: Any, found: Any) -> None:
    assert JsonPath.parse(expression).of(value) == found


@pytest.mark.parametrize(
    "expression", ["", "id", "$x", "$[", "$[]", "$..id", "$[a]", "$[1:2:3]", "$['a", "$.", "$[?(@.a)]"]
)
def test_anything_else_is_no_expression(expression: str) -> None:
    with pytest.raises(ValueError, match=r"must begin|not understood|neither"):
        JsonPath.parse(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [("$[4]", ROW), ("$[-5]", ROW), ("$.none", DOCUMENT), ("$[0]", DOCUMENT), ("$.id.*", DOCUMENT)],
)
def test_what_a_record_does_not_have_is_an_error(expression: str, value: Any) -> None:
    with pytest.raises(NotInRecordError):
        JsonPath.parse(expression).of(value)
