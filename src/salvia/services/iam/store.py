"""Writes to IAM's records: each tells the cache of principals that something changed."""

from dataclasses import replace
from typing import Any

from salvia.ports.table import Query, Record
from salvia.resources import listing
from salvia.resources.world import World
from salvia.services.iam.errors import ConcurrentModification

_CHUNK = 500


def new(world: World, kind: str, account: str, key: str, arn: str, spec: dict[str, Any], **facts: Any) -> Record:
    """A record as it begins, not inserted yet; IAM's are of no region. `facts` are its other fields."""
    now = world.clock.now()
    return Record(
        kind=kind, account=account, region="", key=key, arn=arn, created=now, modified=now, spec=spec, **facts
    )


async def insert(world: World, record: Record) -> bool:
    """False when the name is taken."""
    done = await world.table.insert(record)
    changed(world)
    return done


async def save(world: World, record: Record) -> None:
    """Raises ConcurrentModification when another request saved or deleted the record since it was read."""
    record.modified = world.clock.now()
    done = await world.table.save_wish(record)
    changed(world)
    if not done:
        raise ConcurrentModification


async def remove(world: World, record: Record) -> bool:
    done = await world.table.delete(record)
    changed(world)
    return done


async def every(world: World, query: Query) -> list[Record]:
    """All records of the query by name, however many pages they take."""
    query = replace(query, sort="name", descending=False, limit=_CHUNK)
    return [record async for record in listing.every(world.table, query)]


def changed(world: World) -> None:
    """What was remembered of principals no longer holds (services/iam/principal.py)."""
    world.parts["iam_changes"] = world.parts.get("iam_changes", 0) + 1
