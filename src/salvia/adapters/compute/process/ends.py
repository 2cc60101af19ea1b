"""Notices the ends of runs: at once through the kernel where it can, by looking now and then everywhere."""

import asyncio
import os
from collections.abc import Callable

from salvia.adapters.compute.process.folders import RunFolders

_LOOK_SECONDS = 2.0


class Ends:
    """Calls `call` with the name of every watched run that has ended, on the event loop that watched it."""

    def __init__(self, folders: RunFolders, call: Callable[[str], None]) -> None:
        self._folders, self._call = folders, call
        self._watched: dict[str, int | None] = {}  # name to the supervisor's pidfd
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, name: str) -> None:
        """Idempotent. For a run that was seen running."""
        if name in self._watched:
            return
        supervisor = self._folders.supervisor(name)
        self._watched[name] = supervisor
        self._loop = asyncio.get_running_loop()
        if supervisor is not None:
            self._loop.add_reader(supervisor, self._look_at, name)
        if self._timer is None:
            self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)

    def forget(self, name: str) -> None:
        supervisor = self._watched.pop(name, None)
        if supervisor is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(supervisor)
            os.close(supervisor)

    def close(self) -> None:
        for name in list(self._watched):
            self.forget(name)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        for name in list(self._watched):
            self._look_at(name)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._watched else None

    def _look_at(self, name: str) -> None:
        try:
            run = self._folders.observe(name)
        except OSError:  # a full disk: the kernel goes on telling, so whoever asks shall see it instead
            run = None
        if run is None or run.exit_code is not None:
            self.forget(name)
            self._call(name)
