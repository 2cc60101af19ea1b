"""Checkpoints: one file a round, `xgboost-checkpoint.<round>`, of which the last five are kept."""

import re
from pathlib import Path

import xgboost as xgb

from salvia_algorithms.xgboost import model
from salvia_container import log
from salvia_container.failure import UserError

FILE = re.compile(r"xgboost-checkpoint\.([0-9]+)")
KEPT = 5


class Checkpoints:
    """The checkpoints of one model in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._rounds = sorted(
            int(match[1]) for match in map(FILE.fullmatch, (path.name for path in folder.iterdir())) if match
        )

    def latest(self) -> tuple[xgb.Booster | None, int]:
        """The newest model that can be read, and the round to go on with; (None, 0) where there is none."""
        for number in reversed(self._rounds):
            path = self._path(number)
            try:
                found = model.load(path)
            except UserError:
                log.warning(f"Checkpoint {path} cannot be read; trying the one before")
                continue
            log.info(f"Checkpoint loaded from {path}")
            log.info(f"Resuming from iteration {number + 1}")
            return found, number + 1
        return None, 0

    def save(self, booster: xgb.Booster, number: int) -> None:
        """Keeps the model after round `number`, whole or not at all."""
        model.save(booster, self._path(number))
        if number not in self._rounds:
            self._rounds.append(number)
        while len(self._rounds) > KEPT:
            self._path(self._rounds.pop(0)).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"xgboost-checkpoint.{number}"
