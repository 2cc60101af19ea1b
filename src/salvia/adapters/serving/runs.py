"""Serving over the connections that a Compute dials: frames where the run is one of ours, HTTP/1.1 where it is not."""

import asyncio
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any

from salvia.adapters.serving.framed import FramedRun
from salvia.adapters.serving.plain_http import HttpRun
from salvia.ports.compute import Compute
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, Then

PING_SECONDS = 2.0  # as AWS documents it
_PING = ModelRequest(path="/ping", method="GET")


class DialledServing:
    """Serving. What it knows of a run it has seen on the connection, so that it can be thrown away at any time."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._runs: dict[str, FramedRun | HttpRun] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    def ask(
        self, run: str, request: ModelRequest, *, seconds: float, streams: bool = False
    ) -> Coroutine[Any, Any, ModelAnswer]:
        """To be awaited at once."""
        known = self._runs.get(run)
        if known is not None:
            return known.ask(request, seconds, streams=streams)
        return self._ask_first(run, request, seconds, streams=streams)

    def begin(self, run: str, request: ModelRequest, seconds: float, then: Then) -> bool:
        known = self._runs.get(run)
        return isinstance(known, FramedRun) and known.begin(request, seconds, then)

    async def _ask_first(self, run: str, request: ModelRequest, seconds: float, *, streams: bool) -> ModelAnswer:
        known = await self._open(run)
        return await known.ask(request, seconds, streams=streams)

    async def ping(self, run: str) -> bool:
        """A container that is at work on requests cannot answer at once, and is not sick for it."""
        try:
            answer = await self.ask(run, _PING, seconds=PING_SECONDS)
        except NoAnswerError:
            return False
        except TimeoutError:
            known = self._runs.get(run)
            return known is not None and known.is_busy()
        return answer.status == 200

    def forget(self, run: str) -> None:
        self._opening.pop(run, None)
        known = self._runs.pop(run, None)
        if known is not None:
            known.close()

    async def close(self) -> None:
        for run in list(self._runs):
            self.forget(run)

    async def _open(self, run: str) -> FramedRun | HttpRun:
        async with self._opening.setdefault(run, asyncio.Lock()):
            if run not in self._runs:
                try:
                    line = await self._compute.dial(run)
                except ConnectionRefusedError as error:
                    raise NoAnswerError(str(error), sent=False) from error
                dial = partial(self._compute.dial, run)
                known = FramedRun(dial) if line.family == socket.AF_UNIX else HttpRun(dial)
                await known.open(line)
                self._runs[run] = known
            return self._runs[run]
