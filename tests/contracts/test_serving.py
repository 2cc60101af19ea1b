"""What every Serving promises, asked of a container that speaks frames and of one that speaks HTTP/1.1."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.serving.framed import FramedRun
from salvia.adapters.serving.runs import DialledServing
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, UnsendableError
from salvia_container.serving import frames
from tests.fakes import FakeCompute

Answers = Callable[[ModelRequest], bytes]


class Dialled(FakeCompute):
    """A compute whose runs listen where `places` says."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[int, Any]] = {}
        self.dialled = 0

    async def dial(self, name: str) -> socket.socket:
        if name not in self.places:
            raise ConnectionRefusedError("nothing listens there")
        family, address = self.places[name]
        self.dialled += 1
        line = socket.socket(family)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, address)
        return line


class ServingContract:
    """`compute` says where runs are; `container` opens one under the name "run" that says what each test needs."""

    async def test_what_the_container_says_comes_back_whatever_its_status(self, serving: DialledServing) -> None:
        for status in (200, 415, 500):
            answer = await self.ask(serving, b"echo", {"x-status": str(status)})

            assert (answer.status, answer.body, answer.headers["content-type"]) == (status, b"echo", "text/plain")

    async def test_the_container_sees_path_method_and_headers_as_they_were_given(self, serving: DialledServing) -> None:
        headers = {"content-type": "text/csv", "accept": "*/*", "x-amzn-sagemaker-custom-attributes": "k=vé: ü"}
        request = ModelRequest(b"", headers, "/models/a%20b?c=d", "PUT")
        answer = await serving.ask("run", request, seconds=5)

        assert answer.headers["x-seen"] == "PUT /models/a%20b?c=d"
        assert {name: answer.headers[f"x-seen-{name}"] for name in headers} == headers

    async def test_many_requests_at_once_each_get_their_own_answer(self, serving: DialledServing) -> None:
        bodies = [str(number).encode() for number in range(200)]
        answers = await asyncio.gather(*[self.ask(serving, body) for body in bodies])

        assert [answer.body for answer in answers] == bodies

    async def test_large_bodies_arrive_whole(self, serving: DialledServing) -> None:
        body = bytes(range(256)) * 20000

        assert (await self.ask(serving, body)).body == body
        assert (await self.ask(serving, b"")).body == b""

    async def test_a_run_that_is_not_up_gives_no_answer_and_has_seen_nothing(self, serving: DialledServing) -> None:
        with pytest.raises(NoAnswerError) as caught:
            await serving.ask("other", ModelRequest(), seconds=5)

        assert not caught.value.sent
        assert not await serving.ping("other")

    async def test_a_container_that_goes_away_may_have_seen_the_request(self, serving: DialledServing) -> None:
        await self.ask(serving, b"first")
        with pytest.raises(NoAnswerError) as caught:
            await self.ask(serving, b"die", {"x-do": "die"})

        assert caught.value.sent

    async def test_a_container_that_came_back_is_asked_again(self, serving: DialledServing) -> None:
        with contextlib.suppress(NoAnswerError):
            await self.ask(serving, b"die", {"x-do": "die"})

        assert (await self.ask(serving, b"again")).body == b"again"

    async def test_an_answer_that_does_not_come_in_time_is_given_up(self, serving: DialledServing) -> None:
        with pytest.raises(TimeoutError):
            await serving.ask("run", ModelRequest(b"x", {"x-do": "nothing"}), seconds=0.05)

        assert (await self.ask(serving, b"next")).body == b"next"

    async def test_each_asker_has_a_time_of_its_own(self, serving: DialledServing) -> None:
        silent = ModelRequest(b"x", {"x-do": "nothing"})
        patient = asyncio.create_task(serving.ask("run", silent, seconds=60))
        for seconds in (0.05, 0.02, 0.05):
            with pytest.raises(TimeoutError):
                await serving.ask("run", silent, seconds=seconds)

        assert not patient.done()
        patient.cancel()

    async def test_an_asker_that_goes_away_disturbs_nobody(self, serving: DialledServing) -> None:
        waiting = asyncio.create_task(self.ask(serving, b"x", {"x-do": "nothing"}))
        await asyncio.sleep(0.02)
        waiting.cancel()

        assert (await self.ask(serving, b"next")).body == b"next"

    async def test_pieces_come_as_pieces_to_who_can_take_them(self, serving: DialledServing) -> None:
        request = ModelRequest(b"abc", {"x-do": "pieces"})
        answer = await serving.ask("run", request, seconds=5, streams=True)
        assert not isinstance(answer.body, bytes)

        assert [piece async for piece in answer.body] == [b"a", b"b", b"c"]

    async def test_pieces_come_joined_to_who_cannot(self, serving: DialledServing) -> None:
        assert (await self.ask(serving, b"abc", {"x-do": "pieces"})).body == b"abc"

    async def test_pieces_that_break_off_raise_after_what_came(self, serving: DialledServing) -> None:
        request = ModelRequest(b"abc", {"x-do": "break"})
        answer = await serving.ask("run", request, seconds=5, streams=True)
        assert not isinstance(answer.body, bytes)
        came = [await anext(answer.body) for _ in range(3)]
        with pytest.raises(NoAnswerError):
            await anext(answer.body)

        assert came == [b"a", b"b", b"c"]

    async def test_an_answer_that_would_fill_the_servers_memory_is_cut_off(
        self, serving: DialledServing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("framed", "plain_http"):
            monkeypatch.setattr(f"salvia.adapters.serving.{module}.LONGEST_ANSWER", 1000)
        with pytest.raises(NoAnswerError):
            await self.ask(serving, bytes(100_000))

    async def test_a_header_cannot_smuggle_another(self, serving: DialledServing) -> None:
        with pytest.raises(UnsendableError, match="line break"):
            await self.ask(serving, b"", {"x-a": "1\nx-do: die"})

    async def test_ping_is_what_the_container_says(self, serving: DialledServing) -> None:
        assert await serving.ping("run")

    async def test_a_forgotten_run_can_be_asked_again(self, serving: DialledServing) -> None:
        await self.ask(serving, b"first")
        serving.forget("run")
        serving.forget("run")

        assert (await self.ask(serving, b"second")).body == b"second"

    async def ask(self, serving: DialledServing, body: bytes, headers: dict[str, str] | None = None) -> ModelAnswer:
        return await serving.ask("run", ModelRequest(body, headers or {}), seconds=5)

    @pytest.fixture
    def compute(self) -> Dialled:
        return Dialled()

    @pytest.fixture
    async def serving(self, compute: Dialled, container: None) -> AsyncIterator[DialledServing]:
        serving = DialledServing(compute)
        yield serving
        await serving.close()


class TestFrames(ServingContract):
    @pytest.fixture
    async def container(self, compute: Dialled, tmp_path: Path) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None] | None] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            writer.write(frames.hello(2, 4))
            cut = frames.Reader()
            alive = True
            while alive and (data := await reader.read(1 << 16)):
                alive = all(answer_frame(writer, frame) for frame in cut.feed(data))
            writer.close()
            await writer.wait_closed()

        path = str(tmp_path / frames.SOCKET)
        server = await asyncio.start_unix_server(connected, path)
        compute.places["run"] = socket.AF_UNIX, path
        yield
        server.close()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    async def test_small_requests_share_connections_and_no_more_are_opened_than_are_worth_it(
        self, serving: DialledServing, compute: Dialled
    ) -> None:
        for together in (1, 4, 100):
            await asyncio.gather(*[self.ask(serving, b"x") for _ in range(together)])

            assert compute.dialled == (2 if together > 4 else 1)

    async def test_a_busy_container_is_healthy_until_it_is_given_up(
        self, serving: DialledServing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("salvia.adapters.serving.runs.PING_SECONDS", 0.02)
        busy = ModelRequest(b"", {"x-do": "block"})
        asked = asyncio.create_task(serving.ask("run", busy, seconds=0.1))
        await asyncio.sleep(0.01)

        assert await serving.ping("run")
        with pytest.raises(TimeoutError):
            await asked
        assert not await serving.ping("run")

    async def test_a_container_that_speaks_nonsense_gives_no_answer(self, compute: Dialled, tmp_path: Path) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\xff" * 100)
            await reader.read()
            writer.close()
            ended.set()

        ended = asyncio.Event()

        path = str(tmp_path / "nonsense.sock")
        server = await asyncio.start_unix_server(connected, path)
        compute.places["run"] = socket.AF_UNIX, path
        with pytest.raises(NoAnswerError):
            await self.ask(DialledServing(compute), b"x")
        await ended.wait()
        server.close()

    async def test_a_container_that_says_hello_and_goes_away_has_seen_nothing(
        self, serving: DialledServing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def said_hello(run: FramedRun, line: socket.socket) -> None:
            line.close()  # and is lost before anybody has had a turn

        monkeypatch.setattr(FramedRun, "open", said_hello)
        with pytest.raises(NoAnswerError) as caught:
            await self.ask(serving, b"x")

        assert not caught.value.sent

    async def test_what_is_asked_in_one_turn_is_sent_together(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        theirs.send(frames.hello(1, 4))
        run, loop = FramedRun(partial(Dialled().dial, "run")), asyncio.get_running_loop()
        await run.open(ours)
        asked = [run.ask(ModelRequest(body), 5, streams=False) for body in (b"a", b"b", b"c")]
        for one in asked:
            one.send(None)
        with pytest.raises(BlockingIOError):
            theirs.recv(1 << 16)
        seen = [frame.body for frame in frames.Reader().feed(await loop.sock_recv(theirs, 1 << 16))]
        for one in asked:
            one.close()
        run.close()
        theirs.close()

        assert seen == [b"a", b"b", b"c"]

    async def test_what_was_not_sent_when_the_connection_was_lost_was_seen_by_nobody(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.send(frames.hello(1, 4))
        run, loop = FramedRun(partial(Dialled().dial, "run")), asyncio.get_running_loop()
        await run.open(ours)
        first = loop.create_task(run.ask(ModelRequest(b"a"), 5, streams=False))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it is on its way
        second = loop.create_task(run.ask(ModelRequest(b"b"), 5, streams=False))
        run.close()
        found = await asyncio.gather(first, second, return_exceptions=True)
        theirs.close()

        assert [isinstance(each, NoAnswerError) and each.sent for each in found] == [True, False]


BLOCKED: set[asyncio.StreamWriter] = set()


def answer_frame(writer: asyncio.StreamWriter, frame: frames.Frame) -> bool:
    """What the container does with one request; False: it dies of it."""
    method, path, headers = frames.read_request_head(frame.head)
    what, number, body = headers.get("x-do"), frame.request, frame.body
    if what == "block":
        BLOCKED.add(writer)
    if what == "die":
        return False
    if what in {"nothing", "block"} or writer in BLOCKED:
        return True
    if what in {"pieces", "break"} and frame.kind == frames.STREAM:
        writer.write(frames.write(frames.BEGIN, number, frames.answer_head(200, {})))
        for at in range(len(body)):
            writer.write(frames.write(frames.PIECE, number, b"", body[at : at + 1]))
        ending = (frames.BROKEN, number, b"", b"it broke") if what == "break" else (frames.END, number)
        writer.write(frames.write(*ending))
        return True
    said = {"content-type": "text/plain", "x-seen": f"{method} {path}"}
    said |= {f"x-seen-{name}": value for name, value in headers.items()}
    head = frames.answer_head(int(headers.get("x-status", "200")), said)
    writer.write(frames.write(frames.ANSWER, number, head, body))
    return True


class TestHttp(ServingContract):
    @pytest.fixture
    async def container(self, compute: Dialled) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None] | None] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await answer_http(reader, writer):
                    pass
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=500)
        compute.places["run"] = socket.AF_INET, server.sockets[0].getsockname()
        yield
        server.close()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    async def test_connections_are_used_again(self, serving: DialledServing, compute: Dialled) -> None:
        for _ in range(5):
            await self.ask(serving, b"x")

        assert compute.dialled == 1

    async def test_a_connection_that_was_closed_while_idle_costs_no_answer(self, serving: DialledServing) -> None:
        await self.ask(serving, b"x", {"x-do": "close"})

        assert (await self.ask(serving, b"next")).body == b"next"

    async def test_an_answer_may_end_with_its_connection(self, serving: DialledServing) -> None:
        assert (await self.ask(serving, b"abc", {"x-do": "unbounded"})).body == b"abc"


async def answer_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answers one request; False: the connection ends after it."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    what = headers.get("x-do")
    if what == "die":
        return False
    if what == "nothing":
        await reader.read(1)
        return False
    if what in {"pieces", "break"}:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(len(body)):
            writer.write(b"1\r\n" + body[at : at + 1] + b"\r\n")
            await writer.drain()
        writer.write(b"" if what == "break" else b"0\r\n\r\n")
        return what != "break"
    if what == "unbounded":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        return False
    said = [f"HTTP/1.1 {headers.get('x-status', 200)} Status", "Content-Type: text/plain"]
    said += [f"content-length: {len(body)}", f"x-seen: {first.removesuffix(' HTTP/1.1')}"]
    said += [f"x-seen-{name}: {value}" for name, value in headers.items() if name not in {"host", "content-length"}]
    writer.write("\r\n".join([*said, "\r\n"]).encode("latin-1") + body)
    return what != "close"


@pytest.fixture(autouse=True)
def nobody_blocked() -> Iterator[None]:
    yield
    BLOCKED.clear()
