"""What a worker process does: takes requests from its connections, answers together what came together."""

import contextlib
import json
import select
import socket
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from salvia_container import log
from salvia_container.serving import frames
from salvia_container.serving.frames import Frame
from salvia_container.serving.handler import Answer, Handler, Refusal, Request

_AT_ONCE = 1 << 18  # bytes taken from a connection in one go


class Worker:
    """Serves connections that come through `door` until it is closed, and answers then what has arrived by that time.

    One thread does everything: a model is asked by one caller at a time, and a request waits for nobody's wake-up.
    """

    def __init__(self, handler: Handler, model: Any, door: socket.socket) -> None:
        self._handler, self._model, self._door = handler, model, door
        self._poll = select.epoll()
        self._received = memoryview(
            bytearray(_AT_ONCE)
        )  # making room for so much each time costs more than what usually comes
        self._lines: dict[int, tuple[socket.socket, frames.Reader]] = {}
        self._queue: list[tuple[int, Frame]] = []

    def run(self) -> None:
        self._poll.register(self._door, select.EPOLLIN)
        open_door = True
        while open_door or self._queue:
            for descriptor, _ in self._poll.poll(-1 if open_door else 0):
                if descriptor == self._door.fileno():
                    open_door = self._accept()
                else:
                    self._receive(descriptor)
            self._answer_all()
        for line, _ in self._lines.values():
            line.close()
        self._door.close()
        self._poll.close()

    def _accept(self) -> bool:
        """False when no more will come."""
        message, descriptors, _, _ = socket.recv_fds(self._door, 1, 1)
        for descriptor in descriptors:
            line = socket.socket(fileno=descriptor)
            self._lines[descriptor] = line, frames.Reader()
            self._poll.register(line, select.EPOLLIN)
        if not message:
            self._poll.unregister(self._door)
            for descriptor in list(self._lines):  # what was sent before is still answered
                self._receive(descriptor)
        return bool(message)

    def _receive(self, descriptor: int) -> None:
        if descriptor not in self._lines:  # it was hung up a moment ago
            return
        line, reader = self._lines[descriptor]
        try:
            data = bytes(self._received[: line.recv_into(self._received, 0, socket.MSG_DONTWAIT)])
            self._queue += [(descriptor, frame) for frame in reader.feed(data)]
        except BlockingIOError:
            return
        except (OSError, frames.BadFrameError):
            data = b""
        if not data:
            self._hang_up(descriptor)

    def _hang_up(self, descriptor: int) -> None:
        line, _ = self._lines.pop(descriptor)
        self._poll.unregister(line)
        line.close()
        self._queue = [item for item in self._queue if item[0] != descriptor]
        with contextlib.suppress(BrokenPipeError):  # whoever counts has gone
            self._door.send(b"-")

    def _answer_all(self) -> None:
        while self._queue:
            batch = self._queue[: self._handler.together]
            del self._queue[: self._handler.together]
            self._answer(batch)

    def _answer(self, batch: list[tuple[int, Frame]]) -> None:
        out: dict[int, list[bytes]] = {}
        asked, requests = [], []
        for descriptor, frame in batch:
            method, path, headers = frames.read_request_head(frame.head)
            if path == "/invocations" and method == "POST":
                asked.append((descriptor, frame))
                requests.append(Request(frame.body, headers))
            else:
                out.setdefault(descriptor, []).append(_whole(frame, self._about_itself(path)))
        for (descriptor, frame), answer in zip(asked, self._answers(requests) if requests else (), strict=True):
            if isinstance(answer.body, bytes):
                out.setdefault(descriptor, []).append(_whole(frame, answer))
            else:
                self._send_pieces(descriptor, frame, answer, answer.body)
        for descriptor, written in out.items():
            self._send(descriptor, b"".join(written))

    def _answers(self, requests: Sequence[Request]) -> Sequence[Answer]:
        try:
            answers = self._handler.answer(self._model, requests)
            if len(answers) != len(requests):
                raise RuntimeError(f"{len(answers)} answers were given to {len(requests)} requests")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - whatever the handler did must become an answer
            if len(requests) > 1:
                return [answer for request in requests for answer in self._answers([request])]
            return [failure(error)]
        return answers

    def _about_itself(self, path: str) -> Answer:
        if path == "/ping":
            return Answer(b"\n", "application/json")
        if path == "/execution-parameters":
            return Answer(json.dumps(self._handler.execution_parameters()).encode(), "application/json")
        return Answer(f"{path} was not found".encode(), status=404)

    def _send_pieces(self, descriptor: int, frame: Frame, answer: Answer, pieces: Iterator[bytes]) -> None:
        if frame.kind != frames.STREAM:
            try:
                answer.body = b"".join(pieces)
            except Exception as error:  # noqa: BLE001 - as above
                answer = failure(error)
            self._send(descriptor, _whole(frame, answer))
            return
        self._send(descriptor, frames.write(frames.BEGIN, frame.request, _head(answer)))
        ending = frames.write(frames.END, frame.request)
        try:
            for piece in pieces:
                if not self._send(descriptor, frames.write(frames.PIECE, frame.request, b"", piece)):
                    return
        except Exception as error:  # noqa: BLE001 - as above
            ending = frames.write(frames.BROKEN, frame.request, b"", failure_text(error).encode())
        self._send(descriptor, ending)

    def _send(self, descriptor: int, data: bytes) -> bool:
        """False when nobody is there any more."""
        if descriptor not in self._lines:
            return False
        try:
            self._lines[descriptor][0].sendall(data)
        except OSError:
            self._hang_up(descriptor)
            return False
        return True


def failure(error: Exception) -> Answer:
    """The answer that an exception of a handler becomes."""
    if isinstance(error, Refusal):
        return Answer(error.message.encode(), status=error.status)
    return Answer(failure_text(error).encode(), status=500)


def failure_text(error: Exception) -> str:
    log.error(f"Exception on /invocations [POST]\n{''.join(traceback.format_exception(error)).rstrip()}")
    return str(error) or type(error).__name__


def _whole(frame: Frame, answer: Answer) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else b""
    return frames.write(frames.ANSWER, frame.request, _head(answer), body)


def _head(answer: Answer) -> bytes:
    if answer.headers:
        return frames.answer_head(answer.status, {"content-type": answer.content_type, **answer.headers})
    return _plain_head(answer.status, answer.content_type)


_HEADS: dict[tuple[int, str], bytes] = {}


def _plain_head(status: int, content_type: str) -> bytes:
    known = _HEADS.get((status, content_type))
    if known is None:
        known = frames.answer_head(status, {"content-type": content_type})
        if len(_HEADS) < 64:
            _HEADS[status, content_type] = known
    return known
