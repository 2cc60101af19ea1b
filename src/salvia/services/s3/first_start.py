"""What the object store has from its first start: buckets that AWS publishes and clients look into."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from salvia.ports.object_store import Bucket, Draft, ObjectStore
from salvia.resources.world import World
from salvia.services.s3.access import store_of


async def ensure_published(world: World, name: str, last: str, objects: Callable[[], Mapping[str, bytes]]) -> None:
    """Make the bucket of settings.account with these objects, once: what a client changed or deleted later stays so.

    `last` is the key of the last of them, which says that all are there: a server that dies on the way does all of it
    again. A bucket of that name that is another account's is left alone.
    """
    store = store_of(world)
    settings = world.settings
    if await store.versions.find(name, last) is not None:
        return
    await store.buckets.create(Bucket(name, settings.account, settings.region, world.clock.now()))
    bucket = await store.buckets.find(name)
    if bucket is None or bucket.account != settings.account:
        return
    *first, sign = objects().items()
    await asyncio.gather(*(_put(store, name, *each) for each in first))  # together they are synced once
    await _put(store, name, *sign)


async def _put(store: ObjectStore, bucket: str, key: str, content: bytes) -> None:
    await store.versions.commit(Draft(bucket, key), await store.contents.receive(_piece(content)))


async def _piece(content: bytes) -> AsyncIterator[bytes]:
    yield content
