"""Events of one stream: GetLogEvents, PutLogEvents, GetLogRecord."""

import re
from datetime import UTC, datetime
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import Unsupported
from salvia.ports.logs import StreamKey
from salvia.resources.world import World
from salvia.services.logs.store import (
    InvalidParameter,
    ResourceNotFound,
    existing_group,
    group_key,
    log_store,
    now_ms,
    stream_missing,
)
from salvia.services.logs.streams import sequence_token

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_LARGEST = 1 << 20  # bytes of a batch or page
_OVERHEAD = 26
_TOKEN = re.compile(r"([fb])/(\d{1,56})(?:/s)?")
POSITION_BITS = 96


async def get_log_events(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    key = StreamKey(*group_key(call), params["logStreamName"])
    forward, position = params.get("startFromHead", False), None
    if token := params.get("nextToken"):
        forward, position = _position(token)
    page = await log_store(world).events.read(
        key,
        forward=forward,
        position=position,
        start=params.get("startTime"),
        end=params.get("endTime"),
        limit=params.get("limit", 10_000),
    )
    if page is None:
        raise await stream_missing(world, key)
    return {
        "events": [
            {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingestion}
            for event in page.events
        ],
        "nextForwardToken": f"f/{page.forward:056d}",
        "nextBackwardToken": f"b/{page.backward:056d}",
    }


async def put_log_events(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    key = StreamKey(*group_key(call), params["logStreamName"])
    stream = await log_store(world).streams.find(key)
    if stream is None:
        raise await stream_missing(world, key)
    events = [(event["timestamp"], event["message"]) for event in params["logEvents"]]
    _check(events)
    now = now_ms(world)
    days = (await existing_group(world, key.of_group)).retention_days
    kept, rejected = _accepted([time for time, _ in events], now, days)
    events = events[kept.start : kept.stop]
    if events and events[-1][0] - events[0][0] > _DAY:
        raise InvalidParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    try:
        stored = not events or await log_store(world).events.put(key, events, now)
    except PermissionError as error:
        raise Unsupported(f"PutLogEvents cannot add to this log stream: {error}.") from None
    if not stored:
        raise await stream_missing(world, key)
    return {"nextSequenceToken": sequence_token(stream)} | ({"rejectedLogEventsInfo": rejected} if rejected else {})


async def get_log_record(world: World, call: Call) -> dict[str, Any]:
    """The event whose eventId (of FilterLogEvents) is the pointer."""
    pointer = call.params["logRecordPointer"]
    if not re.fullmatch(r"\d{56}", pointer):
        raise InvalidParameter("The specified log record pointer is invalid.")
    number, position = divmod(int(pointer), 1 << POSITION_BITS)
    store = log_store(world)
    stream = await store.streams.by_id(number) if number < 1 << 63 else None
    if stream is None or stream.key[:2] != (call.account, call.region):
        raise ResourceNotFound("The specified log record does not exist.")
    page = await store.events.read(stream.key, forward=True, position=position, limit=1)
    if page is None or not page.events or page.events[0].position != position:
        raise ResourceNotFound("The specified log record does not exist.")
    event = page.events[0]
    return {
        "logRecord": {
            "@ptr": pointer,
            "@log": f"{stream.key.account}:{stream.key.group}",
            "@logStream": stream.key.stream,
            "@timestamp": _written(event.timestamp),
            "@ingestionTime": _written(event.ingestion),
            "@message": event.message,
        }
    }


def event_id(stream_id: int, position: int) -> str:
    """56 digits, as CloudWatch's; unique in the store and the same at every reading."""
    return f"{stream_id << POSITION_BITS | position:056d}"


def _position(token: str) -> tuple[bool, int]:
    """Whether the token leads forward, and from where."""
    parsed = _TOKEN.fullmatch(token)
    if parsed is None or int(parsed[2]) >= 1 << POSITION_BITS:
        raise InvalidParameter("The specified nextToken is invalid.")
    return parsed[1] == "f", int(parsed[2])


def _check(events: list[tuple[int, str]]) -> None:
    size = 0
    before = 0
    for time, message in events:
        length = len(message.encode("utf-8", "replace"))
        size += length + _OVERHEAD
        if length > _LARGEST:
            raise InvalidParameter(f"Log event too large: {length + _OVERHEAD} bytes exceeds limit of {_LARGEST}")
        if time < before:
            raise InvalidParameter("Log events in a single PutLogEvents request must be in chronological order.")
        before = time
    if size > _LARGEST:
        raise InvalidParameter(f"Upload too large: {size} bytes exceeds limit of {_LARGEST}")


def _accepted(times: list[int], now: int, retention_days: int | None) -> tuple[range, dict[str, int]]:
    """Which of the events (in order of time) are neither too old nor too new, and what AWS says of the others."""
    rejected = {}
    too_old = sum(time < now - 14 * _DAY for time in times)
    expired = sum(time < now - retention_days * _DAY for time in times) if retention_days else 0
    first_new = len(times) - sum(time > now + 2 * _HOUR for time in times)
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if first_new < len(times):
        rejected["tooNewLogEventStartIndex"] = first_new
    return range(max(too_old, expired), first_new), rejected


def _written(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
