"""Waiting: what a queued job is told, and how long Describe may wait for a client that does nothing but wait.

SDK v2 asks for a job's status every 30 seconds and botocore's waiters every 30 to 60; answering them when the job has
changed, instead of at once, saves their users that time. Nobody else is kept waiting: a client is recognised by what it
says in its User-Agent.
"""

import asyncio
import re
from collections.abc import Callable

from salvia.base.call import Call
from salvia.ports.images import Readiness
from salvia.ports.table import Record
from salvia.resources.machine import Place
from salvia.resources.world import World

_SDK = re.compile(r"AWS-SageMaker-Python-SDK/(\d+)")
_WAITER = re.compile(r"\bm/[^ ]*\bB\b")  # botocore's feature list; B: a waiter
_BETWEEN_LOOKS = 0.02
_V3_HOLD = 4.0  # SDK v3 shows progress every 5 seconds: never longer than it would have slept


def message(readiness: Readiness, place: Place | None) -> str:
    if place is None:
        return readiness.message or "Preparing the instances for training"
    jobs = "1 older job" if place.ahead == 1 else f"{place.ahead} older jobs"
    return f"Waiting for room on this machine: {jobs} ahead in the queue"


def waits(call: Call) -> bool:
    agent = call.headers.get("user-agent", "")
    return bool(_SDK.search(agent) or _WAITER.search(agent))


async def settled(world: World, record: Record, call: Call, is_over: Callable[[Record], bool] | None = None) -> Record:
    """The record as soon as its status changes, or as it is when the client has waited long enough.

    `is_over` replaces the change of status as what is waited for. What has not begun is waited for longer, and from its
    beginning as long as usual: an environment that is built for the first time takes half a minute, and a client that
    is answered just before would sleep through the job.
    """
    sdk = _SDK.search(call.headers.get("user-agent", ""))
    brief = sdk is not None and int(sdk.group(1)) >= 3
    began = world.clock.now()
    usual = min(world.settings.describe_hold_seconds, _V3_HOLD if brief else 1e9)
    longest = began + (usual if brief else max(usual, world.settings.describe_hold_starting_seconds))
    until = began + usual
    seen = record.status.get("SecondaryStatus")
    while world.clock.now() < until:
        await asyncio.sleep(_BETWEEN_LOOKS)
        latest = await world.table.get(record.kind, record.account, record.region, record.key)
        if latest is None or (is_over(latest) if is_over else latest.state != record.state):
            return latest or record
        if brief and latest.status.get("SecondaryStatus") != seen:
            return latest
        if latest.status.get("SecondaryStatus") == "Starting":
            until = min(world.clock.now() + usual, longest)
        record = latest
    return record
