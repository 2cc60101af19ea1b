"""FilterLogEvents: the events of many streams, interleaved by time, that match a pattern."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from salvia.base.call import Call
from salvia.ports.logs import Event, GroupKey, LastEvent, LogEvents, StreamKey
from salvia.resources.world import World
from salvia.services.logs.events import event_id
from salvia.services.logs.patterns import message_test
from salvia.services.logs.store import InvalidParameter, ResourceNotFound, existing_group, group_key, log_store

_PAGE_BYTES = 1 << 20
_OVERHEAD = 26
_SECONDS = 1.0  # of searching in one call; then the client asks again with the token
_INLINE = 500  # events that are tested on the loop itself
_FIRST_LOOK = 100  # events read first from each of many streams
_YEAR_2024 = 1_704_067_200_000


class Place(NamedTuple):
    """Where a search goes on: at this time, in this stream from this position, in later streams from this time."""

    time: int
    stream: str
    position: int
    forward: bool


async def filter_log_events(world: World, call: Call) -> dict[str, Any]:
    params = call.params
    group = await existing_group(world, group_key(call))
    accepts = message_test(params.get("filterPattern", ""))
    place = _parsed(params["nextToken"]) if params.get("nextToken") else None
    forward = place.forward if place else params.get("startFromHead", True)
    start, end = params.get("startTime", 0), params.get("endTime")
    if not forward and not place and start < _YEAR_2024:
        raise InvalidParameter("startFromHead can be false only with a startTime on or after Jan 1, 2024 00:00:00 UTC.")
    streams = await _streams(world, call, group.key, start)
    sources = [
        _source(group.key, each, place, start, None if end is None else end + 1, forward=forward) for each in streams
    ]
    search = Search(log_store(world).events, sources, accepts, params.get("limit", 10_000), forward=forward)
    await search.run()
    answer: dict[str, Any] = {
        "events": [
            {
                "logStreamName": source.key.stream,
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.ingestion,
                "eventId": event_id(source.id, event.position),
            }
            for source, event in search.found
        ],
        "searchedLogStreams": [],  # empty in CloudWatch Logs too, since 2019
    }
    return answer | ({"nextToken": _token(search.place)} if search.place else {})


@dataclass(slots=True)
class Source:
    """One stream: what of it is still to be read, and the matching events read ahead."""

    key: StreamKey
    id: int
    start: int
    end: int | None
    position: int | None
    reached: int = 0  # the time up to which it was read
    ended: bool = False
    ahead: list[Event] = field(default_factory=list)  # the next one last


class Search:
    """Merges the sources. Events come in the order of (time, stream, position), backwards in time if not forward.

    After `run`, `found` holds what goes into the answer, and `place` where to go on, None at the end.
    """

    def __init__(
        self,
        events: LogEvents,
        sources: Sequence[Source],
        accepts: Callable[[str], bool],
        limit: int,
        *,
        forward: bool,
    ) -> None:
        self._events = events
        self._sources = {source.key.stream: source for source in sources}
        self._accepts = accepts
        self._limit = limit
        self._forward = forward
        self.found: list[tuple[Source, Event]] = []
        self.place: Place | None = None

    async def run(self) -> None:
        deadline = time.monotonic() + _SECONDS
        first_look = min(self._limit, _FIRST_LOOK if len(self._sources) > 10 else 10_000)
        for source in self._sources.values():
            await self._read(source, first_look)
        room = _PAGE_BYTES
        active = {name: source for name, source in self._sources.items() if source.ahead or not source.ended}
        while active:
            source = min(active.values(), key=self._order)
            if not source.ahead:
                if time.monotonic() > deadline:
                    self.place = self._place(source)
                    return
                await self._read(source, 10_000)
            else:
                event = source.ahead[-1]
                room -= len(event.message.encode()) + _OVERHEAD
                if len(self.found) == self._limit or (room < 0 and self.found):
                    self.place = self._place(source)
                    return
                self.found.append((source, source.ahead.pop()))
            if source.ended and not source.ahead:
                del active[source.key.stream]

    async def _read(self, source: Source, limit: int) -> None:
        page = await self._events.read(
            source.key,
            forward=self._forward,
            position=source.position,
            start=source.start,
            end=source.end,
            limit=limit,
        )
        if page is None or not page.events:
            source.ended = True
            return
        source.ended = not page.more
        source.position = page.forward if self._forward else page.backward
        source.reached = page.events[-1 if self._forward else 0].timestamp
        if len(page.events) <= _INLINE:
            source.ahead = self._matching(page.events)
        else:
            source.ahead = await asyncio.to_thread(self._matching, page.events)
        if self._forward:
            source.ahead.reverse()

    def _matching(self, events: Sequence[Event]) -> list[Event]:
        accepts = self._accepts
        return [event for event in events if accepts(event.message)]

    def _order(self, source: Source) -> tuple[int, str]:
        time_ = source.ahead[-1].timestamp if source.ahead else source.reached
        return (time_ if self._forward else -time_, source.key.stream)

    def _place(self, source: Source) -> Place:
        """Where the first event that was not taken may lie; nothing of any source lies before it."""
        if not source.ahead:
            return Place(source.reached, source.key.stream, source.position or 0, self._forward)
        event = source.ahead[-1]
        return Place(event.timestamp, source.key.stream, event.position + (not self._forward), self._forward)


async def _streams(world: World, call: Call, group: GroupKey, start: int) -> list[LastEvent]:
    """Those that the request means and that may have events since `start`."""
    names, prefix = call.params.get("logStreamNames"), call.params.get("logStreamNamePrefix", "")
    if names and prefix:
        raise InvalidParameter("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    streams = log_store(world).streams
    if not names:
        return list(await streams.by_last_event(group, prefix=prefix, since=start))
    found = {name: await streams.find(StreamKey(*group, name)) for name in names}
    if None in found.values():
        raise ResourceNotFound("The specified log stream does not exist.")
    return [LastEvent(stream.last_event or 0, name, stream.id) for name, stream in found.items() if stream]


def _source(
    group: GroupKey, stream: LastEvent, place: Place | None, start: int, end: int | None, *, forward: bool
) -> Source:
    """What is left of a stream: all of it without a place, else what comes behind the place in the merged order."""
    source = Source(StreamKey(*group, stream.stream), stream.id, start, end, None)
    if place is None:
        return source
    if stream.stream == place.stream:
        source.position = place.position
    elif forward:
        source.start = max(start, place.time + (stream.stream < place.stream))
    else:
        latest = place.time + (stream.stream > place.stream)
        source.end = latest if end is None else min(end, latest)
    return source


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _parsed(token: str) -> Place:
    try:
        time_, stream, position, forward = json.loads(base64.urlsafe_b64decode(token))
        place = Place(int(time_), str(stream), int(position), bool(forward))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidParameter("The specified nextToken is invalid.") from None
    if not (0 <= place.time < 1 << 50 and 0 <= place.position < 1 << 96):
        raise InvalidParameter("The specified nextToken is invalid.")
    return place
