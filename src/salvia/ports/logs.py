"""Log groups, their streams and the events in them: what runs print and what clients put, read the same way.

All times of this port are whole milliseconds since the epoch, as the API of CloudWatch Logs has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol


class RunLogs(Protocol):
    """Gives a run its log. The run's standard output *is* the file (O_APPEND); nothing copies lines.

    What clients see (GetLogEvents and the rest) is services/logs, over the same files.
    """

    async def open_file(self, account: str, region: str, group: str, stream: str) -> Path:
        """The file whose lines are the stream's events; group and stream are made when missing. Idempotent."""
        ...

    async def tail(self, account: str, region: str, group: str, stream: str, size: int) -> str:
        """The last `size` bytes, from the start of a line; "" when there is no such stream."""
        ...

    async def close_file(self, account: str, region: str, group: str, stream: str) -> None:
        """Nothing more will be written: the index of times may be completed and watching may end. Idempotent."""
        ...


class GroupKey(NamedTuple):
    account: str
    region: str
    group: str


class StreamKey(NamedTuple):
    account: str
    region: str
    group: str
    stream: str

    @property
    def of_group(self) -> GroupKey:
        return GroupKey(self.account, self.region, self.group)


@dataclass(frozen=True, slots=True)
class LogGroup:
    key: GroupKey
    created: int
    retention_days: int | None = None  # None: events are kept for ever
    kms_key: str = ""
    log_class: str = "STANDARD"
    protected: bool = False  # DeleteLogGroup is refused
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogStream:
    """`id` is unique in the store and never used again. The three times are None while the stream has no event."""

    id: int
    key: StreamKey
    created: int
    first_event: int | None = None
    last_event: int | None = None
    last_ingestion: int | None = None
    stored_bytes: int = 0


class LastEvent(NamedTuple):
    """When the last event of a stream was; 0 while it has none."""

    time: int
    stream: str
    id: int


class Event(NamedTuple):
    """`position` orders the events of a stream, grows with the timestamp and never changes; it is below 2**96."""

    position: int
    timestamp: int
    ingestion: int
    message: str


class Page(NamedTuple):
    """Events in chronological order, and the positions that continue before the first and after the last of them.

    `more` is true when a limit, not the end of the stream or of the time range, ended the page.
    """

    events: Sequence[Event]
    backward: int
    forward: int
    more: bool


class TimedText(NamedTuple):
    """Whole lines, joined by newlines, that share one time."""

    timestamp: int
    text: str


class LogGroups(Protocol):
    """The groups. `create` is false when the group exists, the others when it does not."""

    async def create(self, group: LogGroup) -> bool: ...

    async def find(self, key: GroupKey) -> LogGroup | None: ...

    async def stored_bytes(self, key: GroupKey) -> int:
        """Of all its streams, those that still grow included."""
        ...

    async def list(
        self, account: str, region: str, *, prefix: str = "", contains: str = "", after: str = "", limit: int = 50
    ) -> Sequence[LogGroup]:
        """At most `limit` groups by name (byte order) whose name is beyond `after`."""
        ...

    async def change(self, group: LogGroup) -> bool:
        """Store the group's retention, tags, key and protection."""
        ...

    async def delete(self, key: GroupKey) -> bool:
        """The group with its streams and all their events."""
        ...


class LogStreams(Protocol):
    """The streams of a group. `create` is false when the stream exists, `delete` when it does not."""

    async def create(self, key: StreamKey, now: int) -> bool:
        """Raises LookupError when the group does not exist."""
        ...

    async def find(self, key: StreamKey) -> LogStream | None: ...

    async def by_id(self, id: int) -> LogStream | None:  # noqa: A002 - the word of LogStream
        ...

    async def by_last_event(
        self, group: GroupKey, *, prefix: str = "", since: int = 0, descending: bool = False
    ) -> Sequence[LastEvent]:
        """Streams of the group by the time of the last event, then by name; all that have one at or after `since`."""
        ...

    async def delete(self, key: StreamKey) -> bool: ...

    async def list(
        self, group: GroupKey, *, prefix: str = "", after: str = "", descending: bool = False, limit: int = 50
    ) -> Sequence[LogStream]:
        """At most `limit` streams by name (byte order) whose name is beyond `after` in that order."""
        ...


class LogEvents(Protocol):
    """Events of one stream, in the order of time, and of arrival where times are equal."""

    async def read(
        self,
        key: StreamKey,
        *,
        forward: bool,
        position: int | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int = 10_000,
        size: int = 1 << 20,
    ) -> Page | None:
        """Up to `limit` events or `size` bytes (each event counts 26 bytes more than its text), at least one if any.

        Forward: events at or after `position` (None: from the first); backward: the last events before it
        (None: before the end). `start` is included, `end` is not. None when there is no such stream.
        """
        ...

    async def put(self, key: StreamKey, events: Sequence[tuple[int, str]], now: int) -> bool:
        """Store (timestamp, message) pairs durably before returning; false when there is no such stream.

        Raises PermissionError when the stream is a run's: its events are the lines of a file.
        """
        ...

    async def text(self, key: StreamKey, position: int, size: int = 1 << 20) -> tuple[Sequence[TimedText], int] | None:
        """What was logged from `position` on, about `size` bytes at most, and the position after it.

        No progress of the position means that there is nothing more for now; None, that there is no such stream.
        """
        ...


class LogStore(Protocol):
    """The whole store: what `world.parts["log_store"]` holds."""

    @property
    def groups(self) -> LogGroups: ...

    @property
    def streams(self) -> LogStreams: ...

    @property
    def events(self) -> LogEvents: ...
