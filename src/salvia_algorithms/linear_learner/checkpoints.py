"""A job that goes on after an interruption: what it knew after its last whole epoch, in one file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from salvia_algorithms.first_party import report
from salvia_algorithms.linear_learner.fitting import Fit
from salvia_algorithms.linear_learner.selection import Selection

FILE = "linear-learner-checkpoint.npz"
MAY_DIFFER = ("epochs", "early_stopping_patience")


class Checkpoint:
    """In `folder`; nothing is kept or found where that is None."""

    def __init__(self, folder: Path | None, given: Mapping[str, str]) -> None:
        self._path = None if folder is None else folder / FILE
        self._given = json.dumps({name: given[name] for name in sorted(given) if name not in MAY_DIFFER})

    def save(self, fit: Fit, selection: Selection, epoch: int) -> None:
        """Whole or not at all."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{FILE}.{os.getpid()}")
        state = {
            "given": self._given,
            "epoch": epoch,
            "steps": fit.optimizer.steps,
            "model": selection.model,
            "best": [selection.worth, selection.loss, *selection.reference],
            "stale": selection.stale,
        }
        arrays: dict[str, Any] = {
            "state": np.array(json.dumps(state)),
            "parameters": fit.parameters,
            "averaged": fit.averaged,
            "selected": selection.parameters,
            **fit.optimizer.arrays,
        }
        with unfinished.open("wb") as file:
            np.savez(file, **arrays)
        unfinished.replace(self._path)

    def restore(self, fit: Fit, selection: Selection) -> int:
        """Puts back what was saved, if it fits; returns the epoch to go on with."""
        if self._path is None or not self._path.exists():
            return 0
        try:
            with np.load(self._path) as saved:
                arrays: dict[str, Any] = {name: saved[name] for name in saved.files}
            state = json.loads(str(arrays["state"]))
        except (OSError, ValueError, KeyError) as error:
            report.warning(f"The checkpoint {self._path} cannot be read and is not used: {error}")
            return 0
        if state["given"] != self._given or arrays["parameters"].shape != fit.parameters.shape:
            report.warning(f"The checkpoint {self._path} is of other hyperparameters or data and is not used.")
            return 0
        fit.parameters[:], fit.averaged[:] = arrays["parameters"], arrays["averaged"]
        for name, array in fit.optimizer.arrays.items():
            array[:] = arrays[name]
        fit.optimizer.steps = state["steps"]
        selection.model, selection.stale, selection.parameters = state["model"], state["stale"], arrays["selected"]
        selection.worth, selection.loss, *reference = state["best"]
        selection.reference = (reference[0], reference[1])
        report.info(f"Checkpoint loaded from {self._path}, going on with epoch {state['epoch'] + 1}")
        return int(state["epoch"]) + 1
