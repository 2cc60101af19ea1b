"""Tags of objects."""

from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call
from salvia.ports.object_store import Bucket, Version
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, store_of
from salvia.services.s3.attributes import tag_set, tags_of_set
from salvia.services.s3.reading import version_of
from salvia.services.s3.writing import version_member


async def get_object_tagging(world: World, call: Call) -> Mapping[str, Any]:
    bucket, found = await _named(world, call)
    return {"TagSet": tag_set(found.tags), **version_member(bucket, found)}


async def put_object_tagging(world: World, call: Call) -> Mapping[str, Any]:
    tags = tags_of_set(call.params["Tagging"]["TagSet"])
    return await _change(world, call, tags)


async def delete_object_tagging(world: World, call: Call) -> Mapping[str, Any]:
    return await _change(world, call, {})


async def _change(world: World, call: Call, tags: Mapping[str, str]) -> Mapping[str, Any]:
    bucket, found = await _named(world, call)
    await store_of(world).versions.change(found, tags=tags)
    return version_member(bucket, found)


async def _named(world: World, call: Call) -> tuple[Bucket, Version]:
    bucket = await bucket_of(world, call)
    return bucket, await version_of(world, bucket, call.params["Key"], call.params.get("VersionId") or "")
