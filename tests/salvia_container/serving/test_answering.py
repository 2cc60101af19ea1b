"""A worker: what came together is answered together, and nobody's error is another's."""

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from salvia_container.serving import frames
from salvia_container.serving.answering import Worker
from salvia_container.serving.frames import Frame
from salvia_container.serving.handler import Answer, Handler, Refusal, Request


class Upper(Handler):
    """Answers with capitals; refuses digits, and fails at "!"."""

    together = 8

    def __init__(self) -> None:
        self.batches: list[int] = []

    def load(self, folder: Path) -> Any:
        return None

    def answer(self, model: Any, requests: Sequence[Request]) -> list[Answer]:
        self.batches.append(len(requests))
        return [self.one(request) for request in requests]

    def one(self, request: Request) -> Answer:
        if request.body.isdigit():
            raise Refusal(415, "no digits")
        if request.body == b"!":
            raise ValueError("it is broken")
        if request.content_type == "pieces":
            return Answer(pieces(request.body), "text/csv")
        return Answer(request.body.upper(), "text/csv", headers={"x-length": str(len(request.body))})


def pieces(body: bytes) -> Iterator[bytes]:
    for number in body:
        if number == ord("?"):
            raise ValueError("broken off")
        yield bytes([number])


class Asker:
    """One connection to a worker that runs in a thread."""

    def __init__(self, handler: Handler) -> None:
        self.door, door = socket.socketpair()
        self.line, theirs = socket.socketpair()
        self.line.settimeout(5)
        socket.send_fds(self.door, [b"+"], [theirs.fileno()])
        theirs.close()
        self.reader = frames.Reader()
        self.thread = threading.Thread(target=Worker(handler, None, door).run)

    def send(
        self, body: bytes, number: int = 1, kind: int = frames.ASK, path: str = "/invocations", **headers: str
    ) -> None:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.line.sendall(frames.write(kind, number, frames.request_head("POST", path, headers), body))

    def start(self) -> None:
        self.thread.start()

    def receive(self, count: int) -> list[Frame]:
        came: list[Frame] = []
        while len(came) < count:
            came += self.reader.feed(self.line.recv(1 << 16))
        return came

    def close(self) -> None:
        self.door.shutdown(socket.SHUT_WR)
        self.thread.join(5)
        self.line.close()
        self.door.close()


@pytest.fixture
def handler() -> Upper:
    return Upper()


@pytest.fixture
def asker(handler: Upper) -> Iterator[Asker]:
    asker = Asker(handler)
    yield asker
    asker.close()


def test_an_answer_has_what_the_handler_gave_it(asker: Asker) -> None:
    asker.send(b"abc", 7)
    asker.start()
    (frame,) = asker.receive(1)

    assert frame[:2] == (frames.ANSWER, 7)
    assert frames.read_answer_head(frame.head) == (200, {"content-type": "text/csv", "x-length": "3"})
    assert frame.body == b"ABC"


def test_what_came_together_is_answered_together(asker: Asker, handler: Upper) -> None:
    for number in range(20):
        asker.send(b"%c" % (97 + number), number)
    asker.start()
    came = asker.receive(20)

    assert handler.batches == [8, 8, 4]
    assert [(frame.request, frame.body) for frame in came] == [(n, b"%c" % (65 + n)) for n in range(20)]


def test_one_that_fails_fails_alone(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    for number, body in enumerate([b"a", b"1", b"!", b"b"]):
        asker.send(body, number)
    asker.start()
    came = asker.receive(4)

    assert [(frames.read_answer_head(frame.head)[0], frame.body) for frame in came] == [
        (200, b"A"),
        (415, b"no digits"),
        (500, b"it is broken"),
        (200, b"B"),
    ]
    assert "ValueError: it is broken" in capsys.readouterr().out


def test_pieces_are_sent_one_by_one_or_joined(asker: Asker) -> None:
    asker.send(b"ab", 1, frames.STREAM, content_type="pieces")
    asker.send(b"ab", 2, frames.ASK, content_type="pieces")
    asker.start()
    came = asker.receive(5)

    assert [(frame.kind, frame.request, frame.body) for frame in came] == [
        (frames.BEGIN, 1, b""),
        (frames.PIECE, 1, b"a"),
        (frames.PIECE, 1, b"b"),
        (frames.END, 1, b""),
        (frames.ANSWER, 2, b"ab"),
    ]


def test_pieces_that_break_off_say_so(asker: Asker) -> None:
    asker.send(b"a?", 1, frames.STREAM, content_type="pieces")
    asker.send(b"a?", 2, content_type="pieces")
    asker.start()
    came = asker.receive(4)

    assert (came[2].kind, came[2].body) == (frames.BROKEN, b"broken off")
    assert frames.read_answer_head(came[3].head)[0] == 500


def test_ping_and_execution_parameters_need_no_model(asker: Asker, handler: Upper) -> None:
    for number, path in enumerate(["/ping", "/execution-parameters", "/other"]):
        asker.send(b"", number, path=path)
    asker.start()
    came = asker.receive(3)

    assert [frames.read_answer_head(frame.head)[0] for frame in came] == [200, 200, 404]
    assert b'"BatchStrategy": "MULTI_RECORD"' in came[1].body
    assert handler.batches == []


def test_what_had_arrived_is_answered_when_the_door_closes(asker: Asker) -> None:
    asker.send(b"abc")
    asker.door.shutdown(socket.SHUT_WR)
    asker.start()

    assert asker.receive(1)[0].body == b"ABC"


def test_an_asker_that_goes_away_or_talks_nonsense_disturbs_nobody(asker: Asker) -> None:
    for sent in (b"", b"\xff" * 50):
        ours, theirs = socket.socketpair()
        socket.send_fds(asker.door, [b"+"], [theirs.fileno()])
        ours.send(sent or frames.write(frames.ASK, 1, frames.request_head("POST", "/invocations", {}), b"abc"))
        ours.close()
        theirs.close()
    asker.send(b"abc")
    asker.start()

    assert asker.receive(1)[0].body == b"ABC"
