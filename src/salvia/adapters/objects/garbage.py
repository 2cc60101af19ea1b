"""Files that nobody needs any more: what dead servers left half-written, and what was freed while someone may read it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from salvia.adapters.objects.index import Index
from salvia.adapters.objects.session import dead_sessions
from salvia.base.clock import Clock

KEEP_FREED_SECONDS = 300.0  # how long a freed file stays for those who are reading it


class Garbage:
    def __init__(self, folder: Path, incoming: Path, index: Index, clock: Clock) -> None:
        self._folder = folder
        self._incoming = incoming
        self._index = index
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._reaping: asyncio.Task[None] | None = None

    def sweep(self) -> None:
        """Remove what dead servers were writing, unless it made it into the index."""
        with dead_sessions(self._incoming) as folders:
            for folder in folders:
                for left in list(folder.iterdir()):
                    if not self._is_known(left.name):
                        self._path(left.name).unlink(missing_ok=True)
                    left.unlink(missing_ok=True)
                folder.rmdir()

    async def reap(self) -> None:
        """Unlink the files that no version needs any more and that were freed long enough ago."""
        before = self._clock.now() - KEEP_FREED_SECONDS
        files = [row[0] for row in self._index.read.execute("select file from garbage where freed <= ?", (before,))]
        if not files:
            return
        await asyncio.to_thread(_unlink_all, [self._path(file) for file in files])
        await self._index.write(
            lambda connection: connection.executemany("delete from garbage where file = ?", [(file,) for file in files])
        )

    def reap_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEEP_FREED_SECONDS + 1, self._begin)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        self._timer = None
        self._reaping = asyncio.get_running_loop().create_task(self._reap_and_look_again())

    async def _reap_and_look_again(self) -> None:
        await self.reap()
        if self._index.read.execute("select 1 from garbage limit 1").fetchone():
            self.reap_later()

    def _path(self, file: str) -> Path:
        return self._folder / file[:2] / file

    def _is_known(self, file: str) -> bool:
        known = "select 1 from contents where file = ? union all select 1 from garbage where file = ?"
        return self._index.read.execute(known, (file, file)).fetchone() is not None


def _unlink_all(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
