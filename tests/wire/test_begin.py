"""A request that was asked before may begin without a task: its client must not be able to tell."""

import asyncio
import http.client
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from salvia.base.call import Begun, Call, Lasting, Reply
from salvia.base.clock import SystemClock
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential
from salvia.settings import Settings
from salvia.wire import connection
from salvia.wire.server import Wire
from tests.wire.serving import ACCESS_KEY, CALLER, MODELS, SECRET, OneCredential, allow, serving
from tests.wire.test_server import signed

PATH = "/endpoints/e/invocations"
Members = Mapping[str, Any]


class Root(OneCredential):
    root = True

    def known(self, access_key: str) -> Credential | None:
        return Credential(ACCESS_KEY, SECRET, replace(CALLER, root=self.root)) if access_key == ACCESS_KEY else None


class Echo:
    """InvokeEndpoint, which says in what way it was asked. `answered` is what `Begun.answer` gives or raises, `left` what `rest` does."""

    def __init__(self) -> None:
        self.begun: list[_Begun] = []
        self.operated = 0
        self.answered: bytes | Exception | None = b"again"
        self.lasting = Lasting(ContentType="text/csv")
        self.left: Exception | None = None
        self.at_once = True
        self.failing = False

    async def operate(self, call: Call) -> Members:
        self.operated += 1
        return {"Body": call.params["Body"], "ContentType": call.params["ContentType"]}

    def begin(self, call: Call, done: Callable[[Begun], None]) -> bool:
        if self.failing:
            raise RuntimeError("it cannot begin")
        self.begun.append(_Begun(self, call, done))
        return True


class _Begun:
    def __init__(self, echo: Echo, call: Call, done: Callable[[Begun], None]) -> None:
        self.call, self._echo, self._done = call, echo, done
        self._loop = asyncio.get_running_loop()
        if echo.at_once:
            self._loop.call_soon(done, self)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.1, self._done, self)

    def answer(self) -> tuple[Lasting, bytes] | None:
        answered = self._echo.answered
        if isinstance(answered, Exception):
            raise answered
        return None if answered is None else (self._echo.lasting, answered)

    def rest(self) -> Awaitable[Members | Reply]:
        return self._rest()

    async def _rest(self) -> Members:
        if self._echo.left is not None:
            raise self._echo.left
        return {"Body": b"the rest", "ContentType": "text/csv"}


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def credentials() -> Root:
    return Root()


@contextmanager
def served(echo: Echo, credentials: Root) -> Iterator[tuple[str, int]]:
    wire = Wire(
        MODELS,
        {"sagemaker-runtime": {"InvokeEndpoint": echo.operate}},
        credentials,
        allow,
        SystemClock(),
        Settings(),
        begins={"sagemaker-runtime": {"InvokeEndpoint": echo.begin}},
    )
    with serving(wire.handle, begin=wire.begin) as endpoint:
        host, _, port = endpoint.removeprefix("http://").partition(":")
        yield host, int(port)


@pytest.fixture
def address(echo: Echo, credentials: Root) -> Iterator[tuple[str, int]]:
    with served(echo, credentials) as place:
        yield place


def request(body: bytes = b"1,2", **headers: str) -> dict[str, str]:
    return signed("sagemaker", "POST", PATH, body, **{"content_type": "text/csv"} | headers)


def raw(body: bytes = b"1,2", **headers: str) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in request(body, **headers).items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + body


def ask(
    address: tuple[str, int], *, times: int = 1, body: bytes = b"1,2", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """The last answer to a request that is sent so many times on one connection."""
    client = http.client.HTTPConnection(*address, timeout=10)
    try:
        for _ in range(times):
            client.request("POST", PATH, body, request(body, **headers))
            response = client.getresponse()
            said = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        client.close()
    return said


def until_begun(echo: Echo) -> None:
    until = time.monotonic() + 30
    while not echo.begun:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_what_was_asked_before_begins_without_a_task_and_is_answered_alike(
    address: tuple[str, int], echo: Echo
) -> None:
    echo.answered = b"1,2"

    first, again = ask(address), ask(address, times=3)

    assert (echo.operated, len(echo.begun)) == (1, 3)
    assert echo.begun[0].call.params == {"EndpointName": "e", "ContentType": "text/csv", "Body": b"1,2"}
    assert (echo.begun[0].call.account, echo.begun[0].call.region) == (CALLER.account, "us-west-2")
    assert (first[0], first[2]) == (again[0], again[2]) == (200, b"1,2")
    assert first[1].pop("x-amzn-requestid") != again[1].pop("x-amzn-requestid")
    assert first[1] | {"date": ""} == again[1] | {"date": ""}


def test_what_has_more_to_be_done_is_done_by_the_rest(address: tuple[str, int], echo: Echo) -> None:
    echo.answered = None

    assert ask(address, times=2)[::2] == (200, b"the rest")


def test_what_the_rest_refuses_is_told_in_the_words_of_the_protocol(address: tuple[str, int], echo: Echo) -> None:
    echo.answered, echo.left = None, AwsError("no", code="ModelError", http_status=424)

    status, headers, body = ask(address, times=2)

    assert (status, headers["x-amzn-errortype"], b"no" in body) == (424, "ModelError", True)


def test_a_mistake_of_the_server_is_told_to_its_log_only(
    address: tuple[str, int], echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    echo.answered = RuntimeError("a secret")

    status, _, body = ask(address, times=2)

    assert (status, b"a secret" in body, "a secret" in caplog.text) == (500, False, True)


def test_what_cannot_begin_is_answered_as_ever(
    address: tuple[str, int], echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    echo.failing = True

    assert ask(address, times=2)[::2] == (200, b"1,2")
    assert echo.operated == 2


def test_who_is_not_root_is_asked_about_every_time(address: tuple[str, int], echo: Echo, credentials: Root) -> None:
    credentials.root = False

    assert ask(address, times=3)[0] == 200
    assert (echo.operated, echo.begun) == (3, [])


def test_a_wrong_signature_is_refused_whatever_was_asked_before(address: tuple[str, int], echo: Echo) -> None:
    ask(address)
    client = http.client.HTTPConnection(*address, timeout=10)

    late = {"x-amz-date": "20200101T000000Z"}
    for body, headers in ((b"3,4", request()), (b"1,2", request() | late)):
        client.request("POST", PATH, body, headers)
        response = client.getresponse()
        response.read()
        assert (response.status, response.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")

    client.close()
    assert echo.begun == []


def test_a_page_of_another_origin_is_told_that_it_may_read_the_answer(address: tuple[str, int], echo: Echo) -> None:
    first, again = ask(address, origin="http://a"), ask(address, times=2, origin="http://a")

    assert first[1].keys() == again[1].keys()
    assert echo.begun == []


def test_requests_that_are_sent_together_are_answered_in_their_order(address: tuple[str, int], echo: Echo) -> None:
    ask(address)
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(raw() + raw(b"3") + raw(connection="close"))
        answers = b"".join(iter(lambda: client.recv(65536), b""))

    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert [begun.call.params["Body"] for begun in echo.begun] == [b"1,2", b"3"]
    assert echo.operated == 2  # the first, and the last of a connection, which says so


@pytest.mark.parametrize(("patience", "begun"), [(30.0, 1), (0.01, 0)])
def test_a_body_that_follows_its_head_is_waited_for_a_moment(
    address: tuple[str, int], echo: Echo, monkeypatch: pytest.MonkeyPatch, patience: float, begun: int
) -> None:
    monkeypatch.setattr(connection, "BODY_SECONDS", patience)
    ask(address)
    with socket.create_connection(address, timeout=10) as client:
        head, _, body = raw().partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        time.sleep(0.2)  # more than one patience, less than the other
        client.sendall(body)
        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert len(echo.begun) == begun


def test_a_client_that_goes_away_costs_nobody_else_the_answer(
    address: tuple[str, int], echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    ask(address)
    echo.at_once = False
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(raw())
        until_begun(echo)
    echo.at_once = True

    assert ask(address)[0] == 200
    echo.begun[0].end()

    assert ask(address)[0] == 200
    assert caplog.text == ""


def test_what_has_begun_when_the_server_is_told_to_end_is_answered(echo: Echo, credentials: Root) -> None:
    with served(echo, credentials) as address:
        ask(address)
        echo.at_once = False
        client = socket.create_connection(address, timeout=10)
        client.sendall(raw())
        until_begun(echo)
        echo.begun[0].end()
    with client:
        assert b"again" in b"".join(iter(lambda: client.recv(65536), b""))
