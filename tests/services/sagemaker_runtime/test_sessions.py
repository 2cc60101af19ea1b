"""Stateful sessions: requests of one go to the instance that has it."""

from pathlib import Path
from typing import Any

import pytest

from salvia.ports.serving import ModelAnswer, ModelRequest
from salvia.ports.table import Query, Record
from salvia.services import sagemaker_runtime
from salvia.services.sagemaker_runtime.invoke import invoke_endpoint
from salvia.services.sagemaker_runtime.sessions import InferenceSession
from tests import fakes
from tests.services.sagemaker.hosting.conftest import Bench, variant

LASTS = "2023-11-14T23:13:20Z"  # an hour from the clock's first moment


class SessionBench(Bench):
    """Two instances whose containers begin sessions, under either name that the documentation has for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sessions = InferenceSession(self.world, fakes.MODELS.service(sagemaker_runtime.SERVICE.name))
        self.world.kinds["InferenceSession"] = self.sessions
        self.header, self.lasts = "x-amzn-sagemaker-new-session-id", LASTS
        self.ready = self.container

    def container(self, request: ModelRequest) -> ModelAnswer:
        headers = {}
        if request.headers.get("x-amzn-sagemaker-session-id") == "NEW_SESSION":
            headers[self.header] = f"s-1; Expires={self.lasts}"
        if request.body == b"close":
            headers["x-amzn-sagemaker-closed-session-id"] = request.headers["x-amzn-sagemaker-session-id"]
        return ModelAnswer(200, headers, b"")

    async def deployed(self) -> None:
        await self.model()
        await self.config("c", variant(InitialInstanceCount=2))
        await self.create()
        await self.steps()

    async def ask(self, session: str, body: bytes = b"1") -> tuple[Any, str]:
        """The reply, and which run it came from."""
        reply = await invoke_endpoint(self.world, self.asked(SessionId=session, Body=body))
        return reply, self.serving.asked[-1][0]

    async def reached(self, session: str, times: int = 6) -> set[str]:
        return {(await self.ask(session))[1] for _ in range(times)}

    async def records(self) -> list[Record]:
        return await self.world.table.select(Query("InferenceSession", fakes.ACCOUNT))


@pytest.fixture
async def bench(tmp_path: Path) -> SessionBench:
    made = SessionBench(tmp_path)
    await made.deployed()
    return made


@pytest.mark.parametrize("header", ["x-amzn-sagemaker-new-session-id", "x-amzn-sagemaker-session-id"])
async def test_all_requests_of_a_session_go_to_the_instance_that_began_it(bench: SessionBench, header: str) -> None:
    bench.header = header
    reply, run = await bench.ask("NEW_SESSION")
    told, others = await bench.reached("s-1"), await bench.reached("s-2")

    assert reply["NewSessionId"] == f"s-1; Expires={LASTS}"
    assert (told, others) == ({run}, set(bench.running))


async def test_a_session_that_is_closed_or_has_expired_is_nobodys(bench: SessionBench) -> None:
    await bench.ask("NEW_SESSION")
    closing, _ = await bench.ask("s-1", b"close")
    closed, kept = await bench.reached("s-1"), await bench.records()
    await bench.ask("NEW_SESSION")
    bench.clock.advance(3601)
    expired = await bench.reached("s-1")
    (record,) = await bench.records()

    assert closing["ClosedSessionId"] == "s-1"
    assert (closed, kept, expired) == (set(bench.running), [], set(bench.running))
    assert await bench.sessions.reconcile(record) is None
    assert await bench.records() == []


async def test_a_session_ends_with_the_instance_that_has_it(bench: SessionBench) -> None:
    _, run = await bench.ask("NEW_SESSION")
    bench.clock.advance(60)
    bench.die(run)
    await bench.steps()
    lost = await bench.reached("s-1")
    _, again = await bench.ask("NEW_SESSION")

    assert lost == set(bench.running)
    assert await bench.reached("s-1") == {again}


async def test_a_session_is_followed_while_its_endpoint_is_there(bench: SessionBench) -> None:
    await bench.ask("NEW_SESSION")
    (record,) = await bench.records()
    left = await bench.sessions.reconcile(record)
    await bench.delete()
    await bench.steps(1)

    assert left == 3600
    assert await bench.sessions.reconcile(record) is None
    assert await bench.records() == []


async def test_a_session_that_lasts_until_no_day_is_nobodys(bench: SessionBench) -> None:
    bench.lasts = "2023-11-31T00:00:00Z"
    reply, _ = await bench.ask("NEW_SESSION")

    assert reply["NewSessionId"] == "s-1; Expires=2023-11-31T00:00:00Z"
    assert await bench.records() == []
