"""First come, first served, by what each declares."""

from pathlib import Path
from typing import Any

import pytest

from salvia.ports.table import Query, Record
from salvia.resources.instances import Share
from salvia.resources.kind import Resource
from salvia.resources.machine import Queue
from salvia.resources.world import World
from tests import fakes

GIB = 1 << 30


class TrainingJob(Resource):
    noun = "TrainingJob"
    unsettled = frozenset({"InProgress"})
    uses_machine = True

    def demand(self, record: Record) -> Share:
        return Share(record.spec["cpus"], GIB)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With two CPUs."""
    made = fakes.world(tmp_path)
    made.kinds["TrainingJob"] = TrainingJob(made, fakes.MODELS.service("sagemaker"))
    return made


async def joined(world: World, name: str, cpus: float, created: float) -> Record:
    record = Record(
        "TrainingJob", fakes.ACCOUNT, fakes.REGION, name, f"arn:{name}", created, created, {"cpus": cpus}, name=name
    )
    record.state = "InProgress"
    await world.table.insert(record)
    return record


async def test_a_record_may_start_when_it_fits_beside_everything_older(world: World) -> None:
    await joined(world, "first", 1, 1.0)
    second = await joined(world, "second", 1, 2.0)

    assert (await world.queue.place(world, second)).ahead == 0


async def test_nobody_overtakes(world: World) -> None:
    await joined(world, "first", 1, 1.0)
    await joined(world, "large", 2, 2.0)
    small = await joined(world, "small", 1, 3.0)

    assert (await world.queue.place(world, small)).ahead == 2


async def test_who_asks_for_more_than_there_is_gets_the_whole_machine_alone(world: World) -> None:
    huge = await joined(world, "huge", 64, 1.0)
    small = await joined(world, "small", 1, 2.0)

    assert (await world.queue.place(world, huge)).share.cpus == 2
    assert (await world.queue.place(world, small)).ahead == 1


async def test_an_end_has_those_looked_at_that_may_start_now(world: World) -> None:
    first, second, third = [await joined(world, name, 2, at) for at, name in enumerate(("a", "b", "c"))]
    await world.queue.place(world, third)
    looked: list[str] = []
    world.look = lambda kind, account, region, key: looked.append(key)
    world.queue.leave(world, first)

    assert looked == [second.key]


class SlowTable:
    """Counts what is read, and says that it took long."""

    def __init__(self, world: World) -> None:
        self.table, self.reads = world.table, 0

    async def select(self, query: Query) -> list[Record]:
        self.reads += 1
        return await self.table.select(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


async def test_a_long_queue_is_not_read_by_everyone_in_it(world: World) -> None:
    records = [await joined(world, f"job-{number:02}", 2, number) for number in range(20)]
    world.table = slow = SlowTable(world)
    world.queue = Queue(brief=0.0, reading_share=1e-9)
    places = [(await world.queue.place(world, record)).ahead for record in records]

    assert places == list(range(20))
    assert slow.reads == 1


async def test_who_is_too_new_for_what_was_read_asks_again(world: World) -> None:
    world.queue = Queue(brief=0.0, reading_share=1e-9)
    await world.queue.place(world, await joined(world, "known", 1, 1.0))
    late = await joined(world, "late", 1, 2.0)

    assert (await world.queue.place(world, late)).ahead > 0
