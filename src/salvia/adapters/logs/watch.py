"""Watches the files that runs write: one task looks at their sizes, so that the index of times grows with them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from salvia.adapters.logs.file_stream import FileStream
from salvia.base.clock import Clock

_LOG = logging.getLogger(__name__)
_TICK = 0.05
_SLOWEST = 8  # ticks between two looks at a file that does not grow
_LIFE = 20  # ticks between two signs of life
_UNFINISHED = 40  # ticks of silence until an unfinished line is shown; looked at once


@dataclass(slots=True)
class _Followed:
    file: FileStream
    size: int = -1
    interval: int = 1
    due: int = 0
    silent: int = 0


class Watch:
    """Follows files that this process opened, and those `open_files` names, asked anew when `version` has changed."""

    def __init__(self, clock: Clock, open_files: Callable[[], list[FileStream]], version: Callable[[], int]) -> None:
        self._clock = clock
        self._open_files = open_files
        self._version = version
        self._seen_version = -1
        self._followed: dict[str, _Followed] = {}
        self._tick = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.catch_up()
        self._task = asyncio.create_task(self._look_for_ever(), name="log-watch")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def follow(self, file: FileStream) -> None:
        self._followed.setdefault(str(file.path), _Followed(file))

    def forget(self, file: FileStream) -> None:
        self._followed.pop(str(file.path), None)

    def catch_up(self) -> None:
        """Follow what other servers opened, and no longer what they closed."""
        version = self._version()
        if version == self._seen_version:
            return
        self._seen_version = version
        files = {str(file.path): file for file in self._open_files()}
        for path in self._followed.keys() - files.keys():
            del self._followed[path]
        for file in files.values():
            self.follow(file)

    def look(self) -> None:
        """One tick."""
        self._tick += 1
        if self._tick % _LIFE == 0:
            self.catch_up()
        now = round(self._clock.now() * 1000)
        for followed in list(self._followed.values()):
            if followed.due <= self._tick:
                self._look_at(followed, now)
            if self._tick % _LIFE == 0:
                followed.file.sign_of_life(now)

    def _look_at(self, followed: _Followed, now: int) -> None:
        size = followed.file.size
        if size != followed.size:
            followed.size, followed.interval, followed.silent = size, 1, 0
            followed.file.refresh(now)
        else:
            before, followed.silent = followed.silent, followed.silent + followed.interval
            followed.interval = min(followed.interval * 2, _SLOWEST)
            if before < _UNFINISHED <= followed.silent:
                followed.file.refresh(now)
        followed.due = self._tick + followed.interval

    async def _look_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                self.look()
            except OSError:
                _LOG.exception("watching the log files failed; it will be tried again")
            due = max(due + _TICK, loop.time())
            await asyncio.sleep(due - loop.time())
