"""What is deployed: endpoints, and the inference components on them. Its runs never end by themselves; what ends is started again.

Its life is a list of situations, each decided from what is observed of its runs:

    deletion wished     take its route away, end its runs, delete the record                                bury()
    a plan to deploy    start the new fleet beside the old one, wait for /ping, move the traffic over       deploy()
                        or batch by batch in the place of the old one, and back when it is no good          roll()
    in service          restart what died, follow the wished counts and weights, let go of what is drained  keep()
    failed              nothing runs
"""

from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import ValidationError
from salvia.model.shapes import ServiceModel
from salvia.ports.table import Record
from salvia.resources.kind import Answer, Resource
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import alarms, rolling, shifting
from salvia.services.sagemaker.hosting.instances import Found, Instances, seats_of
from salvia.services.sagemaker.hosting.routes import key_of, route_of
from salvia.services.sagemaker.hosting.shown import status_of
from salvia.services.sagemaker.runs import waiting

AT_ONCE = 0.0
UNDER_WAY = ("_shift", "_roll", "_began", "_message")  # what a record says of a deployment until it is over
BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class Deployed(Resource):
    """A noun with a plan that serves and perhaps one that shall: `status["_plan"]` and `spec["_wish"]`, see plan.py."""

    initial_status = "Creating"

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.instances = Instances(world)
        world.compute.on_change(self.look)

    # ------------------------------------------------------------- what the API asks

    async def check_deployment(self, request: dict[str, Any], scope: Scope) -> None:
        shifting.check(request.get("DeploymentConfig"))
        await alarms.check(self.world, scope, request.get("DeploymentConfig"))

    def check_idle(self, record: Record) -> None:
        """Raises ValidationError while another change is under way, or when there is nothing left to change."""
        status = status_of(record)
        if status in BUSY:
            raise ValidationError(f'Cannot update in-progress {self.identity.words} "{record.arn}".')
        if status != "InService":
            words = f'Cannot update {self.identity.words} "{record.arn}" in status {status}: it can only be deleted.'
            raise ValidationError(words)

    async def hold(self, record: Record, call: Call) -> Record:
        if status_of(record) not in BUSY or not waiting.waits(call):
            return record
        await waiting.settled(self.world, record, call, lambda latest: status_of(latest) not in BUSY)
        return await self.find(call)

    async def delete(self, call: Call) -> Answer:
        """A wish: it shows Deleting until its runs have ended."""

        async def deleted(record: Record) -> None:
            record.wanted = "deleted"

        return await self.wish(call, deleted)

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, record: Record) -> float | None:
        if record.wanted == "deleted":
            return await self.bury(record)
        if record.state == "Failed":
            await self.instances.remove_all(record)
            return None
        again = await (self.deploy(record) if is_pending(record) else self.keep(record))
        self.publish(record)
        draining = await self.instances.clear(record)
        return again if draining is None else min(again, draining)

    async def bury(self, record: Record) -> float | None:
        self.world.fleet.drop(key_of(record))
        await self.instances.remove_all(record)
        await self.world.table.delete(record)
        return None

    async def deploy(self, record: Record) -> float:
        wish, live, now = record.spec["_wish"], record.status.get("_plan"), self.world.clock.now()
        rolling.begin(record)
        back = rolling.goes_back(record)
        record.state = "RollingBack" if back else "Updating" if live else "Creating"
        record.status.setdefault("_began", now)
        found = await self.instances.tend(record, wish, deploying=not back)
        held = await self.instances.tend(record, live, deploying=False) if live else Found()
        found.again, found.recorded = min(found.again, held.again), found.recorded or held.recorded
        record.status["_message"] = held.message if back else found.message
        if found.recorded:
            return AT_ONCE
        if back:
            return self.roll_back(record, held)
        if not found.failed and now - record.status["_began"] > shifting.longest(wish.get("deployment")):
            found.failed = "The deployment took longer than its MaximumExecutionTimeoutInSeconds."
        if live and not found.failed and alarms.names_of(wish.get("deployment")):
            raised = await alarms.raised(self.world, record, wish["deployment"])
            found.failed = (
                f"One or more alarms are in ALARM state: [{', '.join(raised)}]. Rolled back." if raised else ""
            )
            found.soon(alarms.LOOK_EVERY)
        if rolling.is_rolling(record):
            return self.roll(record, found)
        if found.failed:
            return self.give_up(record, found.failed)
        if found.pending and "_shift" not in record.status:
            return found.again
        return self.shift(record, found.again)

    def roll(self, record: Record, found: Found) -> float:
        """The next batch of the new fleet once this one is healthy and has been watched, in the place of as many old ones."""
        if found.failed:
            rolling.turn_back(record, found.failed)
        elif found.pending:
            return found.again
        else:
            left = rolling.advance(record, self.world.clock.now())
            if left is None:
                return self.succeed(record)
            if left:
                return min(found.again, left)
        self.instances.release(record, record.spec["_wish"], record.status["_plan"])
        return AT_ONCE

    def roll_back(self, record: Record, held: Found) -> float:
        """The next batch of the old fleet once this one is healthy, in the place of as many new ones."""
        if held.pending or held.failed:
            return held.again
        if rolling.retreat(record):
            return self.give_up(record, rolling.why(record))
        self.instances.release(record, record.spec["_wish"])
        return AT_ONCE

    def shift(self, record: Record, again: float) -> float:
        """The new fleet is healthy: it gets its part of the traffic, in the end all of it."""
        wish, live, now = record.spec["_wish"], record.status.get("_plan"), self.world.clock.now()
        begun = record.status.setdefault("_shift", {"since": now})
        instances = sum(1 for _ in seats_of(record, wish))
        deployment = wish.get("deployment") if live else None
        share, change = shifting.share_at(deployment, instances, now - begun["since"])
        bake = shifting.termination_wait(deployment)
        if change is None and alarms.names_of(deployment):  # the old fleet is there to come back to while alarms watch
            change = begun.setdefault("shifted", now) + bake - now
            bake = 0.0
        if change is not None and change > 0:
            begun["share"] = share
            return min(again, change)
        return self.succeed(record, bake)

    def succeed(self, record: Record, bake: float = 0.0) -> float:
        """The new fleet serves alone; the old one is kept for `bake` seconds."""
        wish, live = record.spec["_wish"], record.status.get("_plan")
        for name in (*UNDER_WAY, "FailureReason"):
            record.status.pop(name, None)
        if live:
            self.instances.leave(record, list(seats_of(record, live)), bake)
            record.status["_fleets"].pop(str(live["generation"]), None)
        record.status["_plan"] = wish
        record.state = "InService"
        return AT_ONCE

    def give_up(self, record: Record, reason: str) -> float:
        """A first deployment that fails is the end; a later one leaves what served before."""
        for name in UNDER_WAY:
            record.status.pop(name, None)
        record.status["FailureReason"] = reason[:1024]
        if "_plan" not in record.status:
            record.state = "Failed"
            return AT_ONCE
        wish = record.spec["_wish"]
        self.instances.leave(record, list(seats_of(record, wish)))
        record.status["_fleets"].pop(str(wish["generation"]), None)
        record.status["_refused"] = wish["generation"]
        record.state = "InService"
        return AT_ONCE

    async def keep(self, record: Record) -> float:
        plan = record.status["_plan"]
        found = await self.instances.tend(record, plan, deploying=False)
        if found.recorded:
            record.state = "Updating"
            return AT_ONCE
        self.instances.release(record, plan)
        changing = record.spec.get("_changes", 0) != record.status.get("_changed", 0)
        if changing and not found.pending:
            record.status["_changed"] = record.spec.get("_changes", 0)
        record.state = "Updating" if changing and found.pending else "InService"
        return found.again

    # ------------------------------------------------------------- the smaller steps

    def publish(self, record: Record) -> None:
        route = route_of(record, self.world.fleet)
        if route is not None:
            self.world.fleet.put(route)

    def look(self, run: str) -> None:
        """A run has changed: have whose it is looked at now."""
        if run in self.instances.endpoints_of_runs:
            self.world.look(self.noun, *self.instances.endpoints_of_runs[run])


def is_pending(record: Record) -> bool:
    """Whether a plan waits to be deployed: neither serving, nor given up."""
    generation = record.spec["_wish"]["generation"]
    live: Mapping[str, Any] = record.status.get("_plan", {})
    return generation not in {live.get("generation"), record.status.get("_refused")}
