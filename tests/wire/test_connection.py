"""What is not HTTP, or too much of it, is refused in words that AWS's clients read, and a silent client is let go."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from salvia.wire import connection, incoming
from salvia.wire.certificates import Authority
from salvia.wire.connection import MOST_HEAD
from salvia.wire.proxy import Rules
from tests.wire.serving import make_wire, serving


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with serving(make_wire(tmp_path).handle, Rules(Authority(tmp_path / "ca"))) as endpoint:
        yield int(endpoint.rpartition(":")[2])


def ask(port: int, data: bytes) -> tuple[bytes, bytes]:
    """Head and body of all that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        with suppress(OSError):  # it may be closed on us, which is what a head without end deserves
            client.sendall(data)
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\na: \x00\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
)
def test_what_is_not_http_is_a_bad_request_in_xml(port: int, data: bytes) -> None:
    head, body = ask(port, data)
    told = ET.fromstring(body)

    assert head.startswith(b"HTTP/1.1 400 ")
    assert (told.findtext("Code"), bool(told.findtext("RequestId"))) == ("BadRequest", True)


def test_what_is_not_http_is_told_in_json_to_who_speaks_it(port: int) -> None:
    head, body = ask(port, b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: SageMaker.ListTags\r\na: \x00\r\n\r\n")

    assert json.loads(body)["__type"] == "MalformedHttpRequestException"
    assert b"x-amzn-requestid: " in head


def test_a_head_without_end_is_cut_off(port: int) -> None:
    _, body = ask(port, b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"x" * (MOST_HEAD + 1024))

    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in body


def test_an_answer_that_comes_after_the_refusal_is_dropped(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")
    # Wrong only once the head is complete and on its way to be answered.
    _, body = ask(port, b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: identity\r\n\r\n")
    ask(port, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")  # the loop has had time for both

    assert b"<Code>BadRequest</Code>" in body
    assert caplog.text == ""


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_a_head_that_is_sent_on_and_on_is_answered_all_the_same(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /?" + b"x" * size)
        answer = client.recv(65536)

    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in answer


def test_an_answer_arrives_though_the_body_was_too_large_to_be_read(port: int) -> None:
    body = b"x" * (17 << 20)
    head = b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: SageMaker.ListTags\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head + body)
        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_who_would_rather_speak_another_protocol_is_answered_in_this_one(port: int, protocol: bytes) -> None:
    asked = (
        b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: SageMaker.ListTags\r\ncontent-length: 2\r\nUpgrade: " + protocol
    )
    first, last = asked + b"\r\nConnection: Upgrade\r\n\r\n{}", asked + b"\r\nConnection: Upgrade, close\r\n\r\n{}"

    head, body = ask(port, first + last)
    assert (head + body).count(b"MissingAuthenticationTokenException") == 2


def test_a_head_that_never_ends_does_not_hold_its_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.01)
    _, body = ask(port, b"GET / HTTP/1.1\r\nhost: x\r\n")

    assert b"<Code>RequestTimeout</Code>" in body


def test_a_client_that_falls_silent_in_mid_body_is_told_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "SILENCE_SECONDS", 0.01)
    head, body = ask(
        port, b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: SageMaker.ListTags\r\ncontent-length: 9\r\n\r\n{"
    )

    assert json.loads(body)["__type"] == "RequestTimeout"
    assert b"connection: close" in head


HEAD = b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: SageMaker.ListTags\r\n"


def test_requests_sent_at_once_are_answered_in_their_order(port: int) -> None:
    first = HEAD + b"content-length: 2\r\n\r\n{}"
    last = b"GET /bucket?list-type=2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    head, rest = ask(port, first + first + last)
    answers = (head + b"\r\n\r\n" + rest).split(b"HTTP/1.1 ")[1:]
    assert [b"application/x-amz-json" in answer for answer in answers] == [True, True, False]


def test_a_body_in_chunks_is_read_and_its_trailers_are_no_headers(port: int) -> None:
    chunks = b"1\r\n{\r\n1\r\n}\r\n0\r\nx-amz-target: SageMaker.Nonsense\r\n\r\n"
    _, body = ask(port, HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + chunks)

    assert json.loads(body)["__type"] == "MissingAuthenticationTokenException"


def test_who_speaks_http_1_0_gets_one_answer_and_the_end(port: int) -> None:
    head, body = ask(port, b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")

    assert b"connection: close" in head
    assert ET.fromstring(body).tag == "Error"


def test_an_idle_connection_is_ended(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.01)
    head, _ = ask(port, HEAD + b"content-length: 2\r\n\r\n{}")

    assert head.startswith(b"HTTP/1.1 4")  # it came to the end that nobody asked for
