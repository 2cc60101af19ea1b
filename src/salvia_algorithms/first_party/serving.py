"""How the models of AWS's own algorithms are asked: rows come in, some values for each go out; what queued up goes together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from salvia_algorithms.first_party.answers import Accepted, Columns, accepted, encode
from salvia_algorithms.first_party.batch import Batch, stack
from salvia_algorithms.first_party.requests import decode
from salvia_container.serving.handler import Answer, Request
from salvia_container.training import cpus


class Predicting(Protocol):
    """A model: `features` are those of a row; `predict` gives named columns, (n,) or (n, w), for the rows of a batch."""

    @property
    def features(self) -> int: ...

    def predict(self, batch: Batch, *, verbose: bool) -> Columns: ...


@dataclass(slots=True)
class Serving:
    """A Handler of the serving stack for models that `load_model` reads. `key` is what JSON's list of answers is called."""

    load_model: Callable[[Path], Predicting]
    key: str = "predictions"
    together: int = 64
    shared: bool = True

    def load(self, folder: Path) -> Predicting:
        return self.load_model(folder)

    def answer(self, model: Predicting, requests: Sequence[Request]) -> Sequence[Answer]:
        """Raises Refusal when one of the requests is wrong."""
        forms = [accepted(request.accept) for request in requests]
        batches = [decode(request.body, request.content_type, model.features) for request in requests]
        found: dict[int, Columns] = {}
        for group in _alike(batches, forms):
            columns = model.predict(stack([batches[place] for place in group]), verbose=forms[group[0]].verbose)
            ends = np.cumsum([0, *(len(batches[place]) for place in group)]).tolist()
            for place, (start, stop) in zip(group, pairwise(ends), strict=True):
                found[place] = {name: values[start:stop] for name, values in columns.items()}
        return [Answer(encode(found[place], form.media, key=self.key), form.media) for place, form in enumerate(forms)]

    def execution_parameters(self) -> Mapping[str, Any]:
        return {"MaxConcurrentTransforms": cpus(), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


def _alike(batches: Sequence[Batch], forms: Sequence[Accepted]) -> list[list[int]]:
    """Which requests one prediction can answer: dense or sparse ones, with all there is to say or not."""
    groups: dict[tuple[bool, bool], list[int]] = {}
    for place, (batch, form) in enumerate(zip(batches, forms, strict=True)):
        groups.setdefault((batch.sparse, form.verbose), []).append(place)
    return list(groups.values())
