"""How the models of AWS's own algorithms are served: rows of many requests are predicted together, and answered apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from salvia_algorithms.first_party.answers import Columns, accepted, encode
from salvia_algorithms.first_party.batch import Batch, stack
from salvia_algorithms.first_party.requests import decode
from salvia_container.serving.handler import Answer, Handler, Request


class Invocations(Handler):
    """An algorithm says how its model is loaded, how wide its rows are, and what it predicts of them.

    `columns` are the values of every answer, in order; what `predict` gives beyond them is for clients that ask for
    `verbose=true`. `key` is what the list of a JSON answer is called.
    """

    together = 64
    shared = True
    columns: ClassVar[tuple[str, ...]] = ()
    key: ClassVar[str] = "predictions"

    def load(self, folder: Path) -> Any:
        raise NotImplementedError

    def features(self, model: Any) -> int:
        """The width of a row."""
        raise NotImplementedError

    def predict(self, model: Any, rows: Batch, *, verbose: bool) -> Columns:
        """One value or more for each row, by name: (n,) or (n, w)."""
        raise NotImplementedError

    def answer(self, model: Any, requests: Sequence[Request]) -> Sequence[Answer]:
        forms = [accepted(request.accept) for request in requests]
        asked = [decode(request.body, request.content_type, self.features(model)) for request in requests]
        found = self.predict(model, _together(asked), verbose=any(form.verbose for form in forms))
        answers, start = [], 0
        for form, rows in zip(forms, asked, strict=True):
            names = tuple(found) if form.verbose else self.columns
            part = {name: found[name][start : start + len(rows)] for name in names}
            answers.append(Answer(encode(part, form.media, key=self.key), form.media))
            start += len(rows)
        return answers


def _together(batches: Sequence[Batch]) -> Batch:
    if all(batch.sparse for batch in batches):
        return stack(batches)
    return stack([Batch(batch.dense()) for batch in batches])
