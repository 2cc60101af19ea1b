"""Answers of the models of AWS's own algorithms: some values for each row, in the form that the client accepts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.first_party.requests import CONTENT_TYPES, CSV, JSON, JSON_LINES, RECORDIO
from salvia_container import recordio
from salvia_container.serving.handler import Refusal

Columns = Mapping[str, npt.NDArray[Any]]

_ANY = {"": JSON, "*/*": JSON, "application/*": JSON, "text/*": CSV}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The form of an answer, and whether the client wants all there is to say (`application/json; verbose=true`)."""

    media: str
    verbose: bool = False


def accepted(accept: str) -> Accepted:
    """The first of the client's forms that there is; JSON when it does not care. Raises Refusal (406) when there is none."""
    for wish in accept.split(","):
        media, *parameters = (part.strip().lower() for part in wish.split(";"))
        media = _ANY.get(media, media)
        if media in CONTENT_TYPES:
            return Accepted(media, "verbose=true" in [parameter.replace(" ", "") for parameter in parameters])
    raise Refusal(406, f"Accept type {accept} is not supported. Use one of {', '.join(CONTENT_TYPES)}")


def encode(columns: Columns, media: str, *, key: str = "predictions") -> bytes:
    """A named column has one number for each row, (n,), or several, (n, w). `key` is what JSON's list is called."""
    if media == RECORDIO:
        return recordio.write_labels({name: values.astype(np.float32) for name, values in columns.items()})
    lists = [
        values.astype(np.float64 if values.dtype.kind == "f" else values.dtype).tolist() for values in columns.values()
    ]
    if media == CSV:
        return "".join(f"{','.join(_cells(row))}\n" for row in zip(*lists, strict=True)).encode()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]
    if media == JSON_LINES:
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    return json.dumps({key: rows}).encode()


def _cells(row: tuple[Any, ...]) -> list[str]:
    return [repr(number) for value in row for number in (value if isinstance(value, list) else [value])]
