"""Checkpoints of a training: the trees so far and what early stopping has seen, in one file that is always whole."""

import json
import os
import time
from pathlib import Path
from typing import Any

from salvia_container import log

NAME = "lightgbm-checkpoint.json"
SECONDS = 5.0  # between two: a model is written whole each time


class Checkpoints:
    """The checkpoint of one job. `folder` None: there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / NAME
        self._saved = time.monotonic()

    def latest(self) -> dict[str, Any] | None:
        """What was saved last, or None where there is nothing that can be read."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError:
            log.warning(f"Checkpoint {self._path} cannot be read; training begins anew")
            return None
        log.info(f"Checkpoint loaded from {self._path}")
        return found if isinstance(found, dict) else None

    @property
    def due(self) -> bool:
        return self._path is not None and time.monotonic() - self._saved >= SECONDS

    def save(self, document: dict[str, Any]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{NAME}.partial")
        partial.write_text(json.dumps(document), encoding="utf-8")
        os.replace(partial, self._path)
        self._saved = time.monotonic()
