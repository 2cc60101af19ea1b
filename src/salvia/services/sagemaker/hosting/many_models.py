"""Multi-model variants: every TargetModel is a run of its own, started when it is first asked for.

AWS loads all models into one container, which has to implement that. Here a run costs a fork of a process that has everything
imported, so each model gets one: none can harm another, and any image that serves one model serves many. Of more than MOST
the one that was asked for longest ago goes.

Source for what clients see: "Multi-model endpoints" in the SageMaker documentation.
"""

import hashlib
from typing import Any

from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.hosting.plan import Variant
from salvia.services.sagemaker.runs.inference import Container

MOST = 50  # models of one variant that run at once
FORGIVEN = 5.0  # seconds after which a model that could not be had is tried again


def container_of(container: Container, target: str) -> dict[str, Any]:
    """The container of one model: the tar that stands at `target` below the ModelDataUrl."""
    data = f"{container['ModelDataUrl'].rstrip('/')}/{target.lstrip('/')}"
    return {**container, "Mode": "SingleModel", "ModelDataUrl": data, "ModelDataSource": None}


def enrol(world: World, endpoint: Record, variant: Variant, notes: dict[str, Any]) -> bool:
    """Give a note to each model that was asked for. Whether there is a new one."""
    key = ((endpoint.account, endpoint.region, endpoint.key), variant.name)
    asked = world.fleet.models.setdefault(key, {})
    if key not in world.fleet.known:  # a server that starts takes what runs for just asked for
        world.fleet.known.add(key)
        for note in notes.values():
            asked.setdefault(note["target"], world.clock.now())
    latest = sorted(asked, key=lambda target: asked[target], reverse=True)
    for target in latest[MOST:]:
        del asked[target]
    new = {number_of(target): target for target in latest[:MOST]}
    fresh = {number: target for number, target in new.items() if number not in notes}
    now = world.clock.now()
    for number, target in fresh.items():
        # A model that went and comes again is another run.
        notes[number] = {"attempt": int(now * 1000), "failures": 0, "healthy": False, "due": now, "target": target}
    return bool(fresh)


def may_go(world: World, endpoint: Record, variant: Variant, note: dict[str, Any], runs: tuple[str, ...]) -> bool:
    """Whether the model is no longer wanted and has nothing in hand; or could not be had, a while ago."""
    key, now = ((endpoint.account, endpoint.region, endpoint.key), variant.name), world.clock.now()
    if "failed" in note:
        if now - note["failed_at"] < FORGIVEN:
            return False
        world.fleet.models.get(key, {}).pop(note["target"], None)
        return True
    return note["target"] not in world.fleet.models.get(key, {}) and not world.fleet.in_flight(runs)


def fail(note: dict[str, Any], why: str, now: float) -> None:
    note.update(failed=why, failed_at=now, healthy=False)


def number_of(target: str) -> str:
    """What stands for the model where an instance has its number."""
    return f"m{hashlib.sha256(target.encode()).hexdigest()[:12]}"
