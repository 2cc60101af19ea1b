"""Asking a container that speaks frames: any number of requests on each of a few connections.

What is asked in one turn of the event loop is sent at once: a send for each request would cost as much as its signature does, and wake a
worker that could have answered them together.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from salvia.adapters.serving.pieces import LONGEST_ANSWER, Pieces
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, Then, UnsendableError
from salvia_container.serving import frames
from salvia_container.serving.frames import Frame

HELLO_SECONDS = 5.0
_NEVER = float("inf")
_MOST_HEADS = 256
_HEAVY = 1 << 16  # bytes of requests that are enough work for one connection, when there may be more of them


@dataclass(slots=True)
class _Asked:
    """A request on its way. `weight` is the part of one connection's work that it is; a ping has none.

    `until` is the time of the loop at which the asker gives up.
    """

    then: Then
    weight: float
    until: float
    pieces: Pieces | None = None
    done: bool = False  # its asker has been told, or has given up

    def tell(self, outcome: ModelAnswer | Exception) -> None:
        if not self.done:
            self.done = True
            self.then(outcome)


_heads: dict[int, tuple[Mapping[str, str], str, str, bytes]] = {}  # by the id of headers that nobody can change


def _head_of(request: ModelRequest) -> bytes:
    """Written once for requests that share their headers. Raises BadFrameError."""
    headers, path = request.headers, request.path
    if type(headers) is not MappingProxyType:
        return frames.request_head(request.method, path, headers)
    known = _heads.get(id(headers))
    if known is not None and known[1] == path and known[2] == request.method:
        return known[3]
    head = frames.request_head(request.method, path, headers)
    if len(_heads) >= _MOST_HEADS:
        _heads.clear()
    _heads[id(headers)] = headers, path, request.method, head
    return head


class FramedRun:
    """The connections to one run. The container says how many are worth having; more are opened as there is work for them."""

    def __init__(self, dial: Callable[[], Awaitable[socket.socket]]) -> None:
        self._dial = dial
        self._lines: list[_Line] = []
        self._connections, self._least = 1, 1.0  # the least part of a connection's work that a request is
        self._opening = asyncio.Lock()

    async def open(self, line: socket.socket) -> None:
        """Uses a connection that was made already. Raises NoAnswerError."""
        loop = asyncio.get_running_loop()
        _, opened = await loop.create_unix_connection(lambda: _Line(self._lines), sock=line)
        try:
            self._connections, together = await asyncio.wait_for(opened.hello, HELLO_SECONDS)
        except (TimeoutError, ConnectionError) as error:
            opened.close()
            raise NoAnswerError(f"the container does not say hello: {error}", sent=False) from error
        self._least = 1 / together

    def ask(self, request: ModelRequest, seconds: float, *, streams: bool) -> Coroutine[Any, Any, ModelAnswer]:
        """To be awaited at once."""
        weight, line = self._weight(request), self._with_room()
        if line is not None:
            return line.ask(request, seconds, weight, streams=streams)
        return self._ask_another(request, seconds, weight, streams=streams)

    def begin(self, request: ModelRequest, seconds: float, then: Then) -> bool:
        """False where it cannot go out now, or not at all."""
        line = self._with_room()
        if line is None:
            return False
        try:
            line.begin(request, seconds, self._weight(request), then, streams=False)
        except UnsendableError:
            return False
        return True

    def is_busy(self) -> bool:
        """Whether a request is being answered that nobody has given up."""
        return any(
            (asked.weight and not asked.done) or asked.pieces for line in self._lines for asked in line.asked.values()
        )

    def close(self) -> None:
        for line in list(self._lines):
            line.close()

    def _weight(self, request: ModelRequest) -> float:
        return max(self._least, len(request.body) / _HEAVY) if request.path != "/ping" else 0.0

    def _with_room(self) -> "_Line | None":
        """The first with room for more: requests that meet in one worker are answered with one prediction."""
        for line in self._lines:
            if line.load < 1:
                return line
        return min(self._lines, key=lambda line: line.load) if len(self._lines) >= self._connections else None

    async def _ask_another(self, request: ModelRequest, seconds: float, weight: float, *, streams: bool) -> ModelAnswer:
        line = await self._another()
        return await line.ask(request, seconds, weight, streams=streams)

    async def _another(self) -> "_Line":
        async with self._opening:
            line = self._with_room()  # somebody else has opened one meanwhile, or an answer has come
            if line is not None:
                return line
            try:
                await self.open(await self._dial())
            except (ConnectionRefusedError, NoAnswerError) as error:
                if not self._lines:
                    raise NoAnswerError(str(error), sent=False) from error
            if not self._lines:
                raise NoAnswerError("the container said hello and went away", sent=False)
            return min(self._lines, key=lambda line: line.load)


class _Line(asyncio.Protocol):
    """One connection. It is in `lines` from the container's hello on until it is lost."""

    transport: asyncio.Transport

    def __init__(self, lines: "list[_Line]") -> None:
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._reader = frames.Reader(LONGEST_ANSWER)
        self._last = 0
        self.hello: asyncio.Future[tuple[int, int]] = self._loop.create_future()
        self.asked: dict[int, _Asked] = {}
        self.load = 0.0
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None  # one for all requests: most are answered long before
        self._looks = _NEVER

    async def ask(self, request: ModelRequest, seconds: float, weight: float, *, streams: bool) -> ModelAnswer:
        answer: asyncio.Future[ModelAnswer] = self._loop.create_future()
        asked = self.begin(request, seconds, weight, partial(_settle, answer), streams=streams)
        try:
            return await answer
        finally:
            asked.done = True

    def begin(self, request: ModelRequest, seconds: float, weight: float, then: Then, *, streams: bool) -> _Asked:
        """Raises UnsendableError."""
        number = (self._last + 1) % (1 << 32)
        try:
            head = _head_of(request)
            frame = frames.write(frames.STREAM if streams else frames.ASK, number, head, request.body)
        except frames.BadFrameError as error:
            raise UnsendableError(str(error)) from error
        self._last = number
        until = self._loop.time() + seconds
        asked = self.asked[number] = _Asked(then, weight, until)
        self.load += weight
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(frame)
        if until < self._looks:
            self._look_at(until)
        return asked

    def close(self) -> None:
        self.transport.close()

    # ------------------------------------------------------------- what the event loop calls

    def _send(self) -> None:
        """What is still unsent when the connection is lost was seen by nobody."""
        unsent = self._unsent
        if unsent and not self.transport.is_closing():
            self._unsent = []
            self.transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except frames.BadFrameError:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._lines:
            self._lines.remove(self)
        error = f"the container closed the connection: {exc}" if exc else "the container closed the connection"
        if not self.hello.done():
            self.hello.set_exception(NoAnswerError(error, sent=False))
        sent = len(self.asked) - len(self._unsent)
        lost = list(self.asked.values())
        self.asked.clear()
        self._unsent.clear()
        self._look_at(_NEVER)
        for number, asked in enumerate(lost):
            if asked.pieces is not None:
                asked.pieces.end(error)
            else:
                asked.tell(NoAnswerError(error, sent=number < sent))

    def _look_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._give_up) if when < _NEVER else None
        self._looks = when

    def _give_up(self) -> None:
        """What nobody waits for any more stays in `asked`: the worker is at it until it answers."""
        soonest, now = _NEVER, self._loop.time()
        for asked in list(self.asked.values()):
            if asked.done:
                continue
            if asked.until <= now:
                asked.tell(TimeoutError("no answer in time"))
            else:
                soonest = min(soonest, asked.until)
        self._look_at(soonest)

    def _take(self, frame: Frame) -> None:
        if frame.kind == frames.HELLO:
            if not self.hello.done():
                self.hello.set_result(frames.read_hello(frame.head))
                self._lines.append(self)
            return
        asked = self.asked.get(frame.request)
        if asked is None:
            raise frames.BadFrameError(f"an answer to {frame.request}, which was not asked")
        if frame.kind == frames.ANSWER and asked.pieces is None:
            status, headers = frames.read_answer_head(frame.head)
            self._done(frame.request, asked)
            asked.tell(ModelAnswer(status, headers, frame.body))
        elif frame.kind == frames.BEGIN and asked.pieces is None:
            status, headers = frames.read_answer_head(frame.head)
            asked.pieces = Pieces(self.transport.pause_reading, self.transport.resume_reading)
            if asked.done:
                asked.pieces.drop()
            asked.tell(ModelAnswer(status, headers, asked.pieces))
        elif frame.kind == frames.PIECE and asked.pieces is not None:
            asked.pieces.feed(frame.body)
        elif frame.kind in {frames.END, frames.BROKEN} and asked.pieces is not None:
            self._done(frame.request, asked)
            asked.pieces.end(frame.body.decode("utf-8", "replace"))
        else:
            raise frames.BadFrameError(f"frame of kind {frame.kind} out of turn")

    def _done(self, number: int, asked: _Asked) -> None:
        del self.asked[number]
        self.load = max(0.0, self.load - asked.weight) if self.asked else 0.0


def _settle(answer: asyncio.Future[ModelAnswer], outcome: ModelAnswer | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
