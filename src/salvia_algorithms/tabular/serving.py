"""How the tabular models are asked: rows of csv without a label; answers are probabilities or values, in JSON or csv."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from salvia_algorithms.csv_text import MISSING
from salvia_container.serving.handler import Answer, Refusal, Request
from salvia_container.training import cpus

CSV, JSON = "text/csv", "application/json"
VERBOSE = ";verbose"

Cells = list[list[str]]


class Predicting(Protocol):
    """A model. `features` are those of a row. `classes` are its labels, in the order of the probabilities; regression has none."""

    @property
    def features(self) -> int: ...

    @property
    def classes(self) -> Sequence[int]: ...

    def predict(self, cells: Cells) -> npt.NDArray[Any]:
        """Probabilities (n, classes), or values (n,). Raises ValueError for a cell that should be a number and is none."""
        ...


@dataclass(slots=True)
class Serving:
    """A Handler of the serving stack for models that `load_model` reads: each worker loads its own, since both libraries keep threads."""

    load_model: Callable[[Path], Predicting]
    together: int = 64
    shared: bool = False

    def load(self, folder: Path) -> Predicting:
        return self.load_model(folder)

    def answer(self, model: Predicting, requests: Sequence[Request]) -> Sequence[Answer]:
        """Raises Refusal when one of the requests is wrong."""
        forms = [_accepted(request.accept) for request in requests]
        bodies = [_cells(request, model.features) for request in requests]
        try:
            found = model.predict([row for cells in bodies for row in cells])
        except ValueError as error:
            raise Refusal(400, f"Unable to evaluate payload provided: {error}") from error
        answers, start = [], 0
        for cells, (media, verbose) in zip(bodies, forms, strict=True):
            part = found[start : start + len(cells)]
            start += len(cells)
            answers.append(Answer(_encoded(part, model.classes, media, verbose=verbose), media))
        return answers

    def execution_parameters(self) -> Mapping[str, Any]:
        return {"MaxConcurrentTransforms": cpus(), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


def number(cell: str) -> float:
    """NaN for a missing one. Raises ValueError."""
    return math.nan if cell in MISSING else float(cell)


def _accepted(accept: str) -> tuple[str, bool]:
    """The media type of the answer, and whether it shall name the labels. Raises Refusal (406)."""
    for wish in accept.split(","):
        plain = wish.replace(" ", "").lower()
        media = plain.removesuffix(VERBOSE).split(";")[0]
        if media in {"", "*/*", "application/*", JSON}:
            return JSON, plain.endswith(VERBOSE)
        if media in {CSV, "text/*"}:
            return CSV, False
    raise Refusal(406, f"Accept type {accept} is not supported. Use {JSON}, {JSON}{VERBOSE} or {CSV}")


def _cells(request: Request, features: int) -> Cells:
    media = request.content_type.split(";", maxsplit=1)[0].strip().lower()
    if media != CSV:
        raise Refusal(415, f'{{"error": "unsupported content type {request.content_type or "unknown"}"}}')
    try:
        text = request.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(400, f"Unable to evaluate payload provided: {error}") from error
    if '"' in text:
        cells = [row for row in csv.reader(io.StringIO(text)) if row]
    else:
        cells = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    if not cells:
        raise Refusal(400, "Unable to evaluate payload provided: there are no rows in it")
    for place, row in enumerate(cells, start=1):
        if len(row) != features:
            raise Refusal(
                400,
                f"Unable to evaluate payload provided: row {place} has {len(row)} features, the model has {features}",
            )
    return cells


def _encoded(found: npt.NDArray[Any], classes: Sequence[int], media: str, *, verbose: bool) -> bytes:
    if media == CSV:
        return "".join(f"{','.join(map(repr, np.atleast_1d(row).tolist()))}\n" for row in found).encode()
    if not classes:
        return json.dumps({"prediction": found.tolist()}).encode()
    document: dict[str, Any] = {"probabilities-1d": found[:, 1:].tolist(), "probabilities": found.tolist()}
    if verbose:
        document["predicted_label"] = [classes[place] for place in found.argmax(axis=1)]
    return json.dumps(document).encode()
