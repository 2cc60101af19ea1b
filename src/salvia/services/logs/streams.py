"""Log streams: create, describe, delete."""

from typing import Any

from salvia.base.call import Call
from salvia.ports.logs import LogStream, StreamKey
from salvia.resources.world import World
from salvia.services.logs.store import (
    InvalidParameter,
    ResourceAlreadyExists,
    existing_group,
    group_arn,
    group_key,
    group_missing,
    log_store,
    now_ms,
    stream_missing,
)

_MOST = 50  # streams in one answer


async def create_log_stream(world: World, call: Call) -> dict[str, Any]:
    key = StreamKey(*group_key(call), call.params["logStreamName"])
    try:
        created = await log_store(world).streams.create(key, now_ms(world))
    except LookupError:
        raise group_missing() from None
    if not created:
        raise ResourceAlreadyExists("The specified log stream already exists")
    return {}


async def delete_log_stream(world: World, call: Call) -> dict[str, Any]:
    key = StreamKey(*group_key(call), call.params["logStreamName"])
    if not await log_store(world).streams.delete(key):
        raise await stream_missing(world, key)
    return {}


async def describe_log_streams(world: World, call: Call) -> dict[str, Any]:
    """By name or by last event. nextToken is there only when streams are left: SDK v2 never ends with one."""
    params = call.params
    group = await existing_group(world, group_key(call))
    by_time = params.get("orderBy") == "LastEventTime"
    prefix = params.get("logStreamNamePrefix", "")
    if by_time and prefix:
        raise InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    limit, descending = params.get("limit", _MOST), params.get("descending", False)
    after = params.get("nextToken", "")
    streams = log_store(world).streams
    if not by_time:
        found = list(await streams.list(group.key, prefix=prefix, after=after, descending=descending, limit=limit + 1))
        token = found[limit - 1].key.stream if len(found) > limit else ""
    else:
        order = await streams.by_last_event(group.key, descending=descending)
        left = [each for each in order if not after or _beyond(each[:2], _parsed(after), descending=descending)]
        keys = [StreamKey(*group.key, name) for _, name, _ in left[:limit]]
        found = [stream for key in keys if (stream := await streams.find(key))]
        token = "{}/{}".format(*left[limit - 1][:2]) if len(left) > limit else ""
    members: dict[str, Any] = {"logStreams": [described(stream) for stream in found[:limit]]}
    return members | ({"nextToken": token} if token else {})


def described(stream: LogStream) -> dict[str, Any]:
    times = {
        "firstEventTimestamp": stream.first_event,
        "lastEventTimestamp": stream.last_event,
        "lastIngestionTime": stream.last_ingestion,
    }
    return {
        "logStreamName": stream.key.stream,
        "creationTime": stream.created,
        **{name: time for name, time in times.items() if time is not None},
        "uploadSequenceToken": sequence_token(stream),
        "arn": f"{group_arn(stream.key.of_group)}:log-stream:{stream.key.stream}",
        "storedBytes": stream.stored_bytes,
    }


def sequence_token(stream: LogStream) -> str:
    """Clients of old repeat it with the next PutLogEvents, where it no longer means anything."""
    return f"{stream.id:056d}"


def _parsed(token: str) -> tuple[int, str]:
    time, _, name = token.partition("/")
    if not time.isdecimal():
        raise InvalidParameter("The specified nextToken is invalid.")
    return int(time), name


def _beyond(each: tuple[int, str], last: tuple[int, str], *, descending: bool) -> bool:
    return each < last if descending else each > last
