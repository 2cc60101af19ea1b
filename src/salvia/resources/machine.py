"""Who may use this machine now: first come, first served, by declared resources.

The queue is not stored. It is read from the records every time, so that it is right after any crash and for several servers
on one database: a record may start when what it declares fits beside everything older that has not ended.
"""

from dataclasses import dataclass

from salvia.ports.table import Query, Record
from salvia.resources.instances import Share
from salvia.resources.world import World

MOST = 10_000  # unsettled records looked at


@dataclass(frozen=True, slots=True)
class Place:
    """`ahead` records must end before this one may start; 0: it may start now. `share` is what it gets then."""

    ahead: int
    share: Share


def whole(world: World) -> Share:
    return Share(*world.compute.capacity())


def capped(asked: Share, machine: Share) -> Share:
    return Share(min(asked.cpus, machine.cpus), min(asked.memory, machine.memory))


async def place_of(world: World, record: Record) -> Place:
    machine = whole(world)
    mine = capped(world.kinds[record.kind].demand(record), machine)
    cpus, memory = machine.cpus - mine.cpus, machine.memory - mine.memory
    ahead = 0
    for other in await _older(world, record):
        used = capped(world.kinds[other.kind].demand(other), machine)
        cpus, memory = cpus - used.cpus, memory - used.memory
        ahead += 1
    return Place(0 if cpus >= 0 and memory >= 0 else ahead, mine)


async def _older(world: World, record: Record) -> list[Record]:
    found: list[Record] = []
    for kind in world.kinds.values():
        if not kind.uses_machine:
            continue
        for state in kind.unsettled:
            query = Query(
                kind.noun,
                "",
                state=state,
                created_before=record.created + 0.001,
                sort="created",
                descending=False,
                limit=MOST,
            )
            found += await world.table.select(query)
    return [other for other in found if (other.created, other.arn) < (record.created, record.arn)]
