"""Endpoints: models that answer. An endpoint's runs never end by themselves; what ends is started again.

An endpoint's life is a list of situations, each decided from what is observed of its runs:

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
from salvia.resources.fleet import Key, Route
from salvia.resources.kind import Answer, Resource
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import alarms, rolling, shifting
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting.backlog import Backlogs
from salvia.services.sagemaker.hosting.instances import Found, Instances, seats_of
from salvia.services.sagemaker.hosting.routes import route_of
from salvia.services.sagemaker.hosting.shown import shown_of, status_of
from salvia.services.sagemaker.runs import waiting

AT_ONCE = 0.0
UNDER_WAY = ("_shift", "_roll", "_began", "_message")  # what a record says of a deployment until it is over
BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here.
MEMBERS = {
    "EndpointName": "behaves",
    "EndpointConfigName": "behaves",
    "DeploymentConfig": "behaves",
    "Tags": "behaves",
    "RetainAllVariantProperties": "behaves",
    "ExcludeRetainedVariantProperties": "behaves",
    "RetainDeploymentConfig": "behaves",
}


class Endpoint(Resource):
    noun = "Endpoint"
    initial_status = "Creating"
    absent = ("ValidationException", 'Could not find endpoint "{arn}".')
    taken = 'Cannot create already existing endpoint "{arn}".'
    taken_error = ValidationError

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.instances = Instances(world)
        self.backlogs = Backlogs(world)
        world.fleet.load = self.load
        world.compute.on_change(self.look)

    # ------------------------------------------------------------- what the API asks

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        await self.check_deployment(request, scope)
        wish = await plans.drawn_up(self.world, scope, request["EndpointConfigName"], 1)
        return request | {"_wish": wish}

    async def amend(self, record: Record, request: dict[str, Any]) -> None:
        scope = Scope(record.account, record.region)
        await self.check_deployment(request, scope)
        self.check_idle(record)
        last = record.spec["_wish"]
        wish = await plans.drawn_up(self.world, scope, request["EndpointConfigName"], last["generation"] + 1)
        if request.get("RetainDeploymentConfig"):
            wish["deployment"] = record.spec.get("DeploymentConfig")
        else:
            wish["deployment"] = request.get("DeploymentConfig")
        excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties") or ()}
        kept = _retained(record, wish, excluded) if request.get("RetainAllVariantProperties") else {}
        live = str(record.status["_plan"]["generation"])
        capacities = record.spec.get("_capacities", {})
        record.spec["_capacities"] = {live: capacities.get(live, {}), str(wish["generation"]): kept}
        rolling.check(record, wish)
        record.spec |= {"_wish": wish, "DeploymentConfig": wish["deployment"]}

    async def check_deployment(self, request: dict[str, Any], scope: Scope) -> None:
        shifting.check(request.get("DeploymentConfig"))
        await alarms.check(self.world, scope, request.get("DeploymentConfig"))

    def check_idle(self, record: Record) -> None:
        """Raises ValidationError while another change is under way, or when there is nothing left to change."""
        status = status_of(record)
        if status in BUSY:
            raise ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
        if status != "InService":
            raise ValidationError(f'Cannot update endpoint "{record.arn}" in status {status}: it can only be deleted.')

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

    def view(self, record: Record) -> dict[str, Any]:
        return super().view(record) | shown_of(record)

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, endpoint: Record) -> float | None:
        if endpoint.wanted == "deleted":
            return await self.bury(endpoint)
        if endpoint.state == "Failed":
            await self.instances.remove_all(endpoint)
            return None
        again = await (self.deploy(endpoint) if is_pending(endpoint) else self.keep(endpoint))
        self.publish(endpoint)
        await self.backlogs.tell(endpoint)
        draining = await self.instances.clear(endpoint)
        return again if draining is None else min(again, draining)

    async def bury(self, endpoint: Record) -> float | None:
        self.world.fleet.drop((endpoint.account, endpoint.region, endpoint.key))
        await self.instances.remove_all(endpoint)
        await self.world.table.delete(endpoint)
        return None

    async def deploy(self, endpoint: Record) -> float:
        wish, live, now = endpoint.spec["_wish"], endpoint.status.get("_plan"), self.world.clock.now()
        rolling.begin(endpoint)
        back = rolling.goes_back(endpoint)
        endpoint.state = "RollingBack" if back else "Updating" if live else "Creating"
        endpoint.status.setdefault("_began", now)
        found = await self.instances.tend(endpoint, wish, deploying=not back)
        held = await self.instances.tend(endpoint, live, deploying=False) if live else Found()
        found.again, found.recorded = min(found.again, held.again), found.recorded or held.recorded
        endpoint.status["_message"] = held.message if back else found.message
        if found.recorded:
            return AT_ONCE
        if back:
            return self.roll_back(endpoint, held)
        if not found.failed and now - endpoint.status["_began"] > shifting.longest(wish.get("deployment")):
            found.failed = "The deployment took longer than its MaximumExecutionTimeoutInSeconds."
        if live and not found.failed and alarms.names_of(wish.get("deployment")):
            raised = await alarms.raised(self.world, endpoint, wish["deployment"])
            found.failed = (
                f"One or more alarms are in ALARM state: [{', '.join(raised)}]. Rolled back." if raised else ""
            )
            found.soon(alarms.LOOK_EVERY)
        if rolling.is_rolling(endpoint):
            return self.roll(endpoint, found)
        if found.failed:
            return self.give_up(endpoint, found.failed)
        if found.pending and "_shift" not in endpoint.status:
            return found.again
        return self.shift(endpoint, found.again)

    def roll(self, endpoint: Record, found: Found) -> float:
        """The next batch of the new fleet once this one is healthy and has been watched, in the place of as many old ones."""
        if found.failed:
            rolling.turn_back(endpoint, found.failed)
        elif found.pending:
            return found.again
        else:
            left = rolling.advance(endpoint, self.world.clock.now())
            if left is None:
                return self.succeed(endpoint)
            if left:
                return min(found.again, left)
        self.instances.release(endpoint, endpoint.spec["_wish"], endpoint.status["_plan"])
        return AT_ONCE

    def roll_back(self, endpoint: Record, held: Found) -> float:
        """The next batch of the old fleet once this one is healthy, in the place of as many new ones."""
        if held.pending or held.failed:
            return held.again
        if rolling.retreat(endpoint):
            return self.give_up(endpoint, rolling.why(endpoint))
        self.instances.release(endpoint, endpoint.spec["_wish"])
        return AT_ONCE

    def shift(self, endpoint: Record, again: float) -> float:
        """The new fleet is healthy: it gets its part of the traffic, in the end all of it."""
        wish, live, now = endpoint.spec["_wish"], endpoint.status.get("_plan"), self.world.clock.now()
        begun = endpoint.status.setdefault("_shift", {"since": now})
        instances = sum(1 for _ in seats_of(endpoint, wish))
        deployment = wish.get("deployment") if live else None
        share, change = shifting.share_at(deployment, instances, now - begun["since"])
        bake = shifting.termination_wait(deployment)
        if change is None and alarms.names_of(deployment):  # the old fleet is there to come back to while alarms watch
            change = begun.setdefault("shifted", now) + bake - now
            bake = 0.0
        if change is not None and change > 0:
            begun["share"] = share
            return min(again, change)
        return self.succeed(endpoint, bake)

    def succeed(self, endpoint: Record, bake: float = 0.0) -> float:
        """The new fleet serves alone; the old one is kept for `bake` seconds."""
        wish, live = endpoint.spec["_wish"], endpoint.status.get("_plan")
        for name in (*UNDER_WAY, "FailureReason"):
            endpoint.status.pop(name, None)
        if live:
            self.instances.leave(endpoint, list(seats_of(endpoint, live)), bake)
            endpoint.status["_fleets"].pop(str(live["generation"]), None)
        endpoint.status["_plan"] = wish
        endpoint.state = "InService"
        return AT_ONCE

    def give_up(self, endpoint: Record, reason: str) -> float:
        """A first deployment that fails is the end; a later one leaves what served before."""
        for name in UNDER_WAY:
            endpoint.status.pop(name, None)
        endpoint.status["FailureReason"] = reason[:1024]
        if "_plan" not in endpoint.status:
            endpoint.state = "Failed"
            return AT_ONCE
        wish = endpoint.spec["_wish"]
        self.instances.leave(endpoint, list(seats_of(endpoint, wish)))
        endpoint.status["_fleets"].pop(str(wish["generation"]), None)
        endpoint.status["_refused"] = wish["generation"]
        endpoint.state = "InService"
        return AT_ONCE

    async def keep(self, endpoint: Record) -> float:
        plan = endpoint.status["_plan"]
        found = await self.instances.tend(endpoint, plan, deploying=False)
        if found.recorded:
            endpoint.state = "Updating"
            return AT_ONCE
        self.instances.release(endpoint, plan)
        changing = endpoint.spec.get("_changes", 0) != endpoint.status.get("_changed", 0)
        if changing and not found.pending:
            endpoint.status["_changed"] = endpoint.spec.get("_changes", 0)
        endpoint.state = "Updating" if changing and found.pending else "InService"
        return found.again

    # ------------------------------------------------------------- the smaller steps

    def publish(self, endpoint: Record) -> None:
        route = route_of(endpoint, self.world.fleet)
        if route is not None:
            self.world.fleet.put(route)

    async def load(self, key: Key) -> Route | None:
        """The route of an endpoint as its record tells it; None when there is none that serves."""
        account, region, name = key
        record = await self.world.table.get(self.noun, account, region, name)
        return route_of(record, self.world.fleet) if record else None

    def look(self, run: str) -> None:
        """A run has changed: have its endpoint looked at now."""
        if run in self.instances.endpoints_of_runs:
            self.world.look(self.noun, *self.instances.endpoints_of_runs[run])


def is_pending(endpoint: Record) -> bool:
    """Whether a plan waits to be deployed: neither serving, nor given up."""
    generation = endpoint.spec["_wish"]["generation"]
    live: Mapping[str, Any] = endpoint.status.get("_plan", {})
    return generation not in {live.get("generation"), endpoint.status.get("_refused")}


def _retained(record: Record, wish: dict[str, Any], excluded: set[str]) -> dict[str, Any]:
    """What the new plan's variants take over from those of the same name."""
    live = record.status["_plan"]
    if "DataCaptureConfig" not in excluded and live["config"].get("DataCaptureConfig"):
        wish["config"] = wish["config"] | {"DataCaptureConfig": live["config"]["DataCaptureConfig"]}
    before = {variant.name: variant for variant in plans.variants_of(live) if not variant.serverless}
    kept: dict[str, Any] = {}
    for variant in plans.variants_of(wish):
        old = before.get(variant.name)
        if old is None or variant.serverless:
            continue
        if "DesiredWeight" not in excluded:
            kept.setdefault(variant.name, {})["weight"] = plans.weight_of(record, live, old)
        if "DesiredInstanceCount" not in excluded:
            kept.setdefault(variant.name, {})["count"] = plans.count_of(record, live, old)
    return kept
