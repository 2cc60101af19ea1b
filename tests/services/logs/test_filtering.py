"""FilterLogEvents: many streams as one, in the order of time."""

import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salvia.base.errors import AwsError
from tests.services.logs.conftest import NOW, Logs


async def every_page(logs: Logs, **params: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = await logs("FilterLogEvents", logGroupName="g", **params, **token)
        events += page["events"]
        if "nextToken" not in page:
            return events
        token = {"nextToken": page["nextToken"]}


async def put(logs: Logs, stream: str, *events: tuple[int, str]) -> None:
    for operation, name in (("CreateLogGroup", {}), ("CreateLogStream", {"logStreamName": stream})):
        with suppress(AwsError):
            await logs(operation, logGroupName="g", **name)
    entries = [{"timestamp": NOW + time, "message": message} for time, message in sorted(events)]
    if entries:
        await logs("PutLogEvents", logGroupName="g", logStreamName=stream, logEvents=entries)


async def test_streams_are_interleaved_by_time_whatever_wrote_them(logs: Logs) -> None:
    await put(logs, "put", (1, "one"), (2_000, "three"))
    logs.clock.advance(1)
    await logs.run_prints("two\n", stream="run")

    assert [event["message"] for event in await every_page(logs)] == ["one", "two", "three"]


async def test_only_what_the_pattern_accepts_comes(logs: Logs) -> None:
    await logs.run_prints("ERROR a\nINFO b\nERROR c\n")

    assert await logs.messages("FilterLogEvents", logGroupName="g", filterPattern="ERROR -c") == ["ERROR a"]


async def test_following_with_the_last_time_and_ids_sees_each_event_once(logs: Logs) -> None:
    """As `aws logs tail --follow` does: the same startTime again, and ids seen at that time are left out."""
    seen: dict[str, str] = {}
    start = 0
    for number in range(6):
        await logs.run_prints(f"a{number}\n", stream="a")
        if number % 2:
            await logs.run_prints(f"b{number}\n", stream="b")
        for event in await every_page(logs, startTime=start, limit=2):
            assert seen.setdefault(event["eventId"], event["message"]) == event["message"]
            start = max(start, event["timestamp"])
        logs.clock.advance(0.3)

    assert sorted(seen.values()) == sorted([f"a{number}" for number in range(6)] + ["b1", "b3", "b5"])


async def test_streams_are_chosen_by_name_or_prefix(logs: Logs) -> None:
    for name in ("job/algo-1", "job/algo-2", "other"):
        await logs.run_prints(f"{name}\n", stream=name)

    by_prefix = await logs.messages("FilterLogEvents", logGroupName="g", logStreamNamePrefix="job/")
    by_name = await logs.messages("FilterLogEvents", logGroupName="g", logStreamNames=["other"])
    assert (sorted(by_prefix), by_name) == (["job/algo-1", "job/algo-2"], ["other"])
    with pytest.raises(AwsError, match="stream does not exist"):
        await logs("FilterLogEvents", logGroupName="g", logStreamNames=["other", "absent"])
    with pytest.raises(AwsError, match="mutually exclusive"):
        await logs("FilterLogEvents", logGroupName="g", logStreamNames=["other"], logStreamNamePrefix="o")


async def test_the_end_time_is_included(logs: Logs) -> None:
    await put(logs, "s", (1, "a"), (2, "b"), (3, "c"))

    found = await logs.messages("FilterLogEvents", logGroupName="g", startTime=NOW + 2, endTime=NOW + 3)
    assert found == ["b", "c"]


async def test_an_event_can_be_fetched_by_its_id(logs: Logs) -> None:
    await logs.run_prints("first\nsecond\n")
    identity = (await every_page(logs))[1]["eventId"]

    record = (await logs("GetLogRecord", logRecordPointer=identity))["logRecord"]
    assert (record["@message"], record["@logStream"]) == ("second", "s")
    with pytest.raises(AwsError):
        await logs("GetLogRecord", logRecordPointer="9" * 56)


INFINITE = base64.b64encode(b'[1e999, "a", 1, true]').decode() + "="
DEEP = base64.b64encode(b"[" * 100_000).decode() + "="


@pytest.mark.parametrize("token", ["x", "e30=", "WzEsMiwzLDRd", "WyIxIl0=", INFINITE, DEEP])
async def test_a_made_up_token_is_refused(logs: Logs, token: str) -> None:
    await logs.run_prints("x\n")

    with pytest.raises(AwsError, match="nextToken is invalid"):
        await logs("FilterLogEvents", logGroupName="g", nextToken=token[:-1] + "!")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    streams=st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=4),
    limit=st.integers(1, 5),
    forward=st.booleans(),
)
async def test_pages_hold_every_event_once_in_order(
    logs: Logs, streams: list[list[int]], limit: int, forward: bool
) -> None:
    for number, times in enumerate(streams):
        await put(logs, f"s{number}", *((time, f"{number}/{time}") for time in times))

    events = await every_page(logs, limit=limit, startFromHead=forward, startTime=NOW)
    await logs("DeleteLogGroup", logGroupName="g")
    times = [event["timestamp"] for event in events]
    assert times == sorted(times, reverse=not forward)
    assert sorted(event["message"] for event in events) == sorted(
        f"{number}/{time}" for number, times in enumerate(streams) for time in times
    )
    assert len({event["eventId"] for event in events}) == len(events)
