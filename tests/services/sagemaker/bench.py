"""A job's world: one bucket with data, a clock that stands still, runs that end when told to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.job import Job
from tests import fakes


class JobBench:
    """Drives one kind of job by hand: create, step, look. `request` is a right one for a name."""

    def __init__(
        self, folder: Path, kind: Callable[[World, Any], Job], request: Callable[[str], dict[str, Any]]
    ) -> None:
        self.world: World = fakes.world(folder, "bucket")
        self.objects: fakes.FakeObjects = self.world.objects  # type: ignore[assignment]
        self.compute: fakes.FakeCompute = self.world.compute  # type: ignore[assignment]
        self.images: fakes.FakeImages = self.world.images  # type: ignore[assignment]
        self.clock = self.compute.clock
        self.kind = kind(self.world, fakes.MODELS.service("sagemaker"))
        self.world.kinds = {self.kind.noun: self.kind}
        self.request = request

    async def create(self, name: str = "job", **changes: Any) -> Record:
        await self.kind.create(fakes.call(f"Create{self.kind.noun}", **(self.request(name) | changes)))
        return await self.record(name)

    async def stop(self, name: str = "job") -> None:
        await self.kind.stop(fakes.call(f"Stop{self.kind.noun}", **{f"{self.kind.noun}Name": name}))

    async def record(self, name: str = "job") -> Record:
        found = await self.world.table.get(self.kind.noun, fakes.ACCOUNT, fakes.REGION, name)
        assert found is not None
        return found

    async def without_room(self) -> Record:
        """A job whose instances have waited for room longer than it may run; there is some now."""
        self.compute.room = False
        await self.create()
        waiting = await self.until(lambda _: bool(self.compute.launched))
        await self.kind.reconcile(waiting)
        self.clock.advance(1_000_000)
        await self.kind.reconcile(waiting)
        self.compute.room = True
        return waiting

    async def step(self, name: str = "job") -> float | None:
        """One reconcile, saved as the loop saves it."""
        record = await self.record(name)
        delay = await self.kind.reconcile(record)
        record.due = None if delay is None else self.clock.now() + delay
        await self.world.table.save_fact(record, "worker")
        return delay

    async def until(self, condition: Callable[[Record], bool], name: str = "job") -> Record:
        for _ in range(20):
            record = await self.record(name)
            if condition(record):
                return record
            await self.step(name)
        raise AssertionError(f"never came: {record.state} {record.status}")

    async def until_in(self, secondary: str, name: str = "job") -> Record:
        return await self.until(lambda job: job.status.get("SecondaryStatus") == secondary, name)

    async def ended(self, name: str = "job") -> Record:
        return await self.until(lambda job: job.state != "InProgress", name)

    async def describe(self, name: str = "job") -> dict[str, Any]:
        call = fakes.call(f"Describe{self.kind.noun}", **{f"{self.kind.noun}Name": name})
        return dict(await self.kind.describe(call))  # type: ignore[arg-type]

    def ml(self, number: int = -1) -> Path:
        return self.compute.folder(self.compute.launched[number].name)
