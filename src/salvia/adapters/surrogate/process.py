"""A surrogate in a process of its own, started when first asked and let go when nobody asks any more."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from salvia.ports.surrogate import Observations, Suggestion, SurrogateError

IDLE_SECONDS = 60.0
_LONGEST_ANSWER = 1 << 20  # bytes
# Several threads make small matrices slower by an order of magnitude.
_ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ProcessSurrogate:
    """Use it from one event loop. Questions wait for each other."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def suggest(self, known: Observations) -> Suggestion:
        return Suggestion(**await self._ask("suggest", known))

    async def importance(self, known: Observations) -> Sequence[float]:
        found: list[float] = await self._ask("importance", known)
        return found

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _ask(self, verb: str, known: Observations) -> Any:
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            try:
                said = await self._exchange(json.dumps({"verb": verb, "known": asdict(known)}))
            except BaseException:
                await self._end()  # what it would still answer belongs to nobody
                raise
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._let_go)
        if "error" in said:
            raise SurrogateError(said["error"])
        return said["answer"]

    async def _exchange(self, question: str) -> dict[str, Any]:
        process = self._process = self._process or await self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{question}\n".encode())
            await process.stdin.drain()
            line = await process.stdout.readline()
            said: dict[str, Any] = json.loads(line)
        except (ValueError, ConnectionError) as error:
            raise SurrogateError("its process ended before it answered") from error
        return said

    @staticmethod
    async def _begin() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "salvia.adapters.surrogate.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **_ALONE},
            limit=_LONGEST_ANSWER,
            start_new_session=True,  # a Ctrl-C for the server is none of its business
        )

    def _let_go(self) -> None:
        """It ends by itself when its input does."""
        if self._process is not None and self._process.stdin is not None and not self._turn.locked():
            self._process.stdin.close()
            self._process = None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if self._idle is not None:
            self._idle.cancel()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
