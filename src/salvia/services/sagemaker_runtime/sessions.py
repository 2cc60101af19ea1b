"""Stateful sessions: all requests of one go to the instance whose container began it.

A container that is asked for a NEW_SESSION says what it is called and until when it lasts. Which instance that is becomes a
record, so that every server knows it, and none forgets it when it ends.

Source: "Stateful sessions with Amazon SageMaker AI models" in the SageMaker documentation.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.ports.table import Record
from salvia.resources.fleet import Instance, Route, Variant
from salvia.resources.kind import Resource, put
from salvia.resources.world import World

NEW = "NEW_SESSION"
BEGUN, CLOSED, NAMED = (f"x-amzn-sagemaker-{what}" for what in ("new-session-id", "closed-session-id", "session-id"))
_BEGUN = re.compile(r"([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\sExpires=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_LONGEST = 256  # characters of what a container says of a new session
_LOOK = 3600.0  # seconds between looks whether the endpoint of a session is still there


class InferenceSession(Resource):
    """Which instance has a session. No operation names it; its record goes when it is closed, when it expires, or with its endpoint."""

    noun = "InferenceSession"

    async def reconcile(self, record: Record) -> float | None:
        left = record.spec["until"] - self.world.clock.now()
        key = (record.account, record.region, record.spec["endpoint"])
        route = await self.world.fleet.find(key, self.world.settings.route_seconds)
        if left <= 0 or route is None or route.arn != record.owner:
            await self.world.table.delete(record)
            return None
        return float(min(left, _LOOK))


async def held(world: World, call: Call, route: Route) -> tuple[Variant, Instance] | None:
    """Who has the session that a request names; None when nobody has it, and any container may say that it has not."""
    session = call.params["SessionId"]
    if session == NEW:
        return None
    record = await world.table.get(InferenceSession.noun, call.account, call.region, _key(route, session))
    if record is None or record.spec["until"] <= world.clock.now():
        return None
    runs = tuple(record.spec["runs"])
    for variant in route.variants:
        for instance in variant.instances:
            if instance.runs == runs:
                return variant, instance
    return None


async def follow(world: World, call: Call, route: Route, instance: Instance, headers: Mapping[str, str]) -> None:
    """After the answer to a request that names a session: one may have begun, or been closed."""
    begun = _BEGUN.fullmatch(begun_in(call, headers)[:_LONGEST])
    if begun:
        with suppress(ValueError):  # a day that no calendar has: the container's mistake, and no session of anybody's
            until = datetime.fromisoformat(begun[2]).timestamp()
            await _begin(world, call, route, instance, begun[1], until)
    if CLOSED in headers:
        key = _key(route, headers[CLOSED])
        record = await world.table.get(InferenceSession.noun, call.account, call.region, key)
        if record is not None:
            await world.table.delete(record)


def begun_in(call: Call, headers: Mapping[str, str]) -> str:
    """What a container says of the session that it was asked to begin: the documentation has it do so under either name."""
    asked = call.params.get("SessionId") == NEW
    return headers.get(BEGUN) or (headers.get(NAMED, "") if asked else "")


async def _begin(world: World, call: Call, route: Route, instance: Instance, session: str, until: float) -> None:
    """A container that was started again may begin anew with its names."""
    scope, key = Scope(call.account, call.region), _key(route, session)
    spec = {"endpoint": route.key[2], "runs": list(instance.runs), "until": until}
    arn = scope.arn("sagemaker", f"inference-session/{key}")
    await put(world.kinds[InferenceSession.noun], scope, key, arn, lambda _: spec, owner=route.arn)


def _key(route: Route, session: str) -> str:
    return f"{route.key[2]}|{session}"
