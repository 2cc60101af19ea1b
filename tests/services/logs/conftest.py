"""A world of which only the log store and the clock are real, and calls without a wire."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from salvia.adapters.logs.store import FileLogStore
from salvia.base.call import Call, Caller
from salvia.base.clock import SetClock
from salvia.resources.world import World
from salvia.services.logs import SERVICE

ACCOUNT, REGION = "000000000000", "us-west-2"
NOW = 1_900_000_000_000


class Logs:
    """`await logs("GetLogEvents", logGroupName=...)`, and runs that print."""

    def __init__(self, store: FileLogStore, clock: SetClock) -> None:
        self.store = store
        self.clock = clock
        self.world = cast(World, SimpleNamespace(clock=clock, parts={"log_store": store}, logs=store.runs))

    async def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        caller = Caller(account=ACCOUNT, arn="", user_id="")
        call = Call(service="logs", operation=operation, params=params, caller=caller, region=REGION)
        act = cast(Callable[[World, Call], Awaitable[dict[str, Any]]], SERVICE.operations[operation])
        return await act(self.world, call)

    async def run_prints(self, text: str, group: str = "g", stream: str = "s") -> None:
        path = await self.store.runs.open_file(ACCOUNT, REGION, group, stream)
        with path.open("a") as file:
            file.write(text)

    async def messages(self, operation: str, **params: Any) -> list[str]:
        return [event["message"] for event in (await self(operation, **params))["events"]]


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    clock = SetClock(NOW / 1000)
    store = FileLogStore(tmp_path / "logs", clock)
    yield Logs(store, clock)
    await store.stop()
