"""Who may use this machine now: first come, first served, by declared resources.

The queue is not stored. It is read from the records, so that it is right after any crash and for several servers on one
database: a record may start when what it declares fits beside everything older that has not ended.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salvia.ports.table import Query, Record
from salvia.resources.instances import Share

if TYPE_CHECKING:
    from salvia.resources.world import World

MOST = 10_000  # unsettled records looked at


@dataclass(frozen=True, slots=True)
class Place:
    """`ahead` records must end before this one may start; 0: it may start now. `share` is what it gets then."""

    ahead: int
    share: Share


@dataclass(slots=True)
class Queue:
    """What has not ended, oldest first, with what each declares, as it was when last read.

    Since then records may have ended, and younger ones come; none can have come before one that was there. So whoever is
    in it and may start by it may start. A queue that is read in less than `brief` seconds is read whenever somebody asks;
    into reading a longer one goes `reading_share` of the time, at most.
    """

    brief: float = 0.001
    reading_share: float = 0.05
    _entries: dict[tuple[float, str], tuple[Record, Share]] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _took: float = 0.0

    async def place(self, world: "World", record: Record) -> Place:
        machine = whole(world)
        mine = capped(world.kinds[record.kind].demand(record), machine)
        if self._took < self.brief or time.monotonic() - self._read_at > self._took / self.reading_share:
            await self._read(world)
        elif _rank(record) not in self._entries:
            return Place(len(self._entries) + 1, mine)  # too new to be known; it asks again
        ahead, cpus, memory = 0, machine.cpus - mine.cpus, machine.memory - mine.memory
        for rank, (_, share) in self._entries.items():
            if rank >= _rank(record):
                break
            used = capped(share, machine)
            ahead, cpus, memory = ahead + 1, cpus - used.cpus, memory - used.memory
        return Place(0 if cpus >= 0 and memory >= 0 else ahead, mine)

    def leave(self, world: "World", record: Record) -> None:
        """The record has ended, and that is saved: whoever may start now is looked at now."""
        if self._entries.pop(_rank(record), None) is not None:
            for next_ in self._fitting(whole(world)):
                world.look(next_.kind, next_.account, next_.region, next_.key)

    def _fitting(self, machine: Share) -> Iterator[Record]:
        cpus, memory = machine.cpus, machine.memory
        for record, share in self._entries.values():
            used = capped(share, machine)
            cpus, memory = cpus - used.cpus, memory - used.memory
            if cpus < 0 or memory < 0:
                return
            yield record

    async def _read(self, world: "World") -> None:
        began = time.monotonic()
        found = [
            (record, kind.demand(record))
            for kind in world.kinds.values()
            if kind.uses_machine
            for state in kind.unsettled
            for record in await world.table.select(
                Query(kind.noun, "", state=state, sort="created", descending=False, limit=MOST)
            )
        ]
        self._entries = {_rank(entry[0]): entry for entry in sorted(found, key=lambda entry: _rank(entry[0]))}
        self._read_at = time.monotonic()
        self._took = self._read_at - began


def whole(world: "World") -> Share:
    return Share(*world.compute.capacity())


def capped(asked: Share, machine: Share) -> Share:
    return Share(min(asked.cpus, machine.cpus), min(asked.memory, machine.memory))


def _rank(record: Record) -> tuple[float, str]:
    return record.created, record.arn
