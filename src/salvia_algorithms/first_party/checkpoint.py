"""A job that goes on after an interruption: what it knew after its last whole epoch, in one file."""

import hashlib
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salvia_algorithms.files import channel_files
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.report import info, warning
from salvia_container.training import TrainingEnvironment

NOT_LEARNT_FROM = "test"  # a channel
BEGINNING = 1 << 16  # bytes of a file by which it is recognised
DOCUMENT = "checkpoint"  # the name, among the arrays, of what is no array
# Whatever a file holds that someone else has put there, or half of one.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile)

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """What was known after `epoch`, as it was given to be saved."""

    epoch: int
    arrays: Mapping[str, Array]
    state: Mapping[str, Any]


class Checkpoint:
    """`<name>-checkpoint.npz` in the job's checkpoint folder; a job without one keeps nothing and finds nothing.

    `hosts` are those that know the same: the first of them saves, and all go on from what it finds. (The folders of all
    instances go to one place in S3: what only one of them knows needs a name of its own.)

    A checkpoint is used by a job with the same hyperparameters, but for those that `may_differ`, on the same files, by name,
    size and beginning. `about` is what else has to be the same, a JSON document.
    """

    def __init__(
        self,
        environment: TrainingEnvironment,
        name: str,
        hosts: Collective,
        may_differ: Collection[str],
        about: Any = None,
    ) -> None:
        folder = environment.checkpoint_dir
        self._hosts = hosts
        self._path = None if folder is None else folder / f"{name}-checkpoint.npz"
        if folder is not None:
            same = sorted(one for one in environment.hyperparameters.items() if one[0] not in may_differ)
            self._job = json.dumps([same, hosts.all(_files(environment)), about])

    def save(self, epoch: int, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Whole or not at all. `state` is a JSON document."""
        if self._path is None or self._hosts.rank:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}")
        document = json.dumps({"job": self._job, "epoch": epoch, "state": state})
        everything: dict[str, Any] = {DOCUMENT: np.array(document), **arrays}
        with unfinished.open("wb") as file:
            np.savez(file, **everything)
        unfinished.replace(self._path)

    def restored(self, epochs: int) -> Saved | None:
        """What was saved by a job like this one, if it had done no more than `epochs`; the same on all hosts.

        What cannot be used is said in the log.
        """
        if self._path is None:
            return None
        found = None if self._hosts.rank else self._found(epochs)
        return self._told(found) if self._hosts.size > 1 else found

    def _found(self, epochs: int) -> Saved | None:
        assert self._path is not None
        if not self._path.exists():
            return None
        try:
            with self._path.open("rb") as stream, np.load(stream) as file:
                document = json.loads(str(file[DOCUMENT]))
                if document["job"] != self._job:
                    warning(f"The checkpoint {self._path} is of other hyperparameters or data and is not used.")
                    return None
                if document["epoch"] >= epochs:
                    warning(f"The checkpoint {self._path} is of more than {epochs} epoch(s) and is not used.")
                    return None
                arrays = {name: file[name] for name in file.files if name != DOCUMENT}
        except UNREADABLE as error:
            warning(f"The checkpoint {self._path} cannot be read and is not used: {error}")
            return None
        info(f"Checkpoint loaded from {self._path}, going on with epoch {document['epoch'] + 1}")
        return Saved(document["epoch"], arrays, document["state"])

    def _told(self, found: Saved | None) -> Saved | None:
        """What the first host has found, on all of them."""
        plan = found and [found.epoch, found.state, {name: [a.dtype.str, a.shape] for name, a in found.arrays.items()}]
        told = self._hosts.all(plan)[0]
        if told is None:
            return None
        epoch, state, described = told
        arrays: dict[str, Array] = {}
        for name, (kind, shape) in described.items():
            own = found.arrays[name].ravel() if found else np.empty(0, kind)
            arrays[name] = self._hosts.gathered(own)[0].reshape(shape).copy()
        return Saved(epoch, arrays, state)


def _files(environment: TrainingEnvironment) -> str:
    """A digest of the files that this host learns from. Pipes cannot be looked at before they are read."""
    found = hashlib.sha256()
    for name, config in sorted(environment.channels.items()):
        if name == NOT_LEARNT_FROM or config.get("TrainingInputMode") == "Pipe":
            continue
        for file in channel_files(environment.channel_path(name)):
            found.update(json.dumps([name, file.name, file.path.stat().st_size]).encode())
            with file.path.open("rb") as content:
                found.update(content.read(BEGINNING))
    return found.hexdigest()
