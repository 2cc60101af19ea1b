"""What every job does that runs containers to an end: it queues for the machine, tells its story, and frees its runs.

A kind says what its runs are called and what it does in each situation; see training/job.py.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from salvia.base.call import Call
from salvia.model.shapes import ServiceModel
from salvia.ports.images import Image, UnknownImageError
from salvia.ports.table import Record
from salvia.resources.instances import Share
from salvia.resources.kind import Resource
from salvia.resources.world import World
from salvia.services.sagemaker.runs import waiting

AT_ONCE = 0.0
SOON = 0.05  # for each job ahead in the queue, between looks at one that waits; an end on this server wakes the next
LONGEST_WAIT = 5.0
FOLLOW = 1.0  # between looks at a running job; its end wakes the loop by itself
GRACE = 120.0  # between SIGTERM and SIGKILL, as AWS documents it


class Job(Resource):
    """A noun that starts as InProgress and ends as Completed, Failed or Stopped.

    The statuses on the way are `status["SecondaryStatus"]`, shown where the model has a place for them.
    """

    initial_status = "InProgress"
    unsettled = frozenset({"InProgress"})
    uses_machine = True
    end_member: ClassVar[str]  # what says when it ended: "TrainingEndTime"

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.jobs_of_runs: dict[str, tuple[str, str, str]] = {}  # run name -> account, region, key
        world.compute.on_change(self.look)

    def runs_of(self, job: Record) -> Iterable[str]:
        """The names of all runs that the job has, or had."""
        raise NotImplementedError

    def forget(self, run: str) -> None:
        """The run is gone."""

    async def hold(self, record: Record, call: Call) -> Record:
        if record.state in self.unsettled and waiting.waits(call):
            return await waiting.settled(self.world, record, call)
        return record

    def let_fail(self, record: Record, reason: str) -> bool:
        if record.state not in self.unsettled:
            return False
        self.finish(record, "Failed", reason=reason)
        return True

    async def dispose(self, record: Record) -> None:
        await self.clear(record)

    async def clear(self, job: Record) -> None:
        """Runs go when the job has settled; its log and its objects stay."""
        for name in self.runs_of(job):
            await self.world.compute.remove(name)
            self.jobs_of_runs.pop(name, None)
            self.forget(name)

    async def settle(self, job: Record) -> None:
        """The end was saved: nothing is held any more, and whoever waits may start."""
        await self.clear(job)
        self.world.queue.leave(self.world, job)

    # ------------------------------------------------------------- before it runs

    def resolve(self, job: Record, uris: Iterable[str]) -> list[Image] | float:
        """The images; or, when one is unknown, the job has failed."""
        try:
            return [self.world.images.resolve(uri) for uri in uris]
        except UnknownImageError as error:
            return self.finish(job, "Failed", reason=f"ClientError: {error}")

    async def turn(self, job: Record, images: Sequence[Image]) -> Share | float:
        """The job's share of the machine when its data may be placed; until then, seconds until the next look."""
        for image in images:
            readiness = await self.world.images.prepare(image)
            if readiness.error:
                return self.finish(job, "Failed", reason=f"InternalServerError: {readiness.error}")
            if not readiness.ready:
                self.enter(job, "Starting", waiting.message(readiness, None))
                return 4 * SOON
        place = await self.world.queue.place(self.world, job)
        if place.ahead:
            self.enter(job, "Starting", waiting.message(readiness, place))
            return min(LONGEST_WAIT, SOON * place.ahead)
        if job.status.get("SecondaryStatus") != "Downloading":
            if not job.status.get("SecondaryStatusTransitions"):  # it never waited: the story begins here all the same
                self.enter(job, "Starting", waiting.message(readiness, None))
            self.enter(job, "Downloading", "Downloading input data")
            return AT_ONCE
        return place.share

    async def overtaken(self, job: Record) -> bool:
        """A stop came meanwhile; or this server was asleep, and another has taken the job further or to its end."""
        latest = await self.world.table.get(self.noun, job.account, job.region, job.key)
        return latest is None or latest.version != job.version

    # ------------------------------------------------------------- its story

    def watch(self, job: Record, run: str) -> None:
        """Have the job looked at when the run changes."""
        self.jobs_of_runs[run] = (job.account, job.region, job.key)

    def look(self, run: str) -> None:
        """A run has changed: have its job looked at now."""
        if run in self.jobs_of_runs:
            account, region, key = self.jobs_of_runs[run]
            self.world.look(self.noun, account, region, key)

    def enter(self, job: Record, secondary: str, message: str, **facts: Any) -> None:
        """Move to a secondary status, once; a new message on the same status replaces the old one."""
        job.status |= facts
        history = job.status.setdefault("SecondaryStatusTransitions", [])
        if job.status.get("SecondaryStatus") == secondary:
            history[-1]["StatusMessage"] = message
            return
        now = self.world.clock.now()
        if history:
            history[-1]["EndTime"] = now
        history.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
        job.status["SecondaryStatus"] = secondary

    def finish(self, job: Record, status: str, secondary: str = "", message: str = "", reason: str = "") -> float:
        now = self.world.clock.now()
        self.enter(job, secondary or status, message or reason, **{self.end_member: now})
        job.status["SecondaryStatusTransitions"][-1]["EndTime"] = now
        if reason:
            job.status["FailureReason"] = reason[:1024]
        job.state = status
        return AT_ONCE
