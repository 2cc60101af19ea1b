"""Buckets that are there from the first start."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from salvia.adapters.objects.files import FileObjects
from salvia.base.clock import SystemClock
from salvia.ports.object_store import Bucket, Removal
from salvia.resources.world import World
from salvia.services.s3.first_start import ensure_published
from salvia.settings import Settings

OBJECTS = {"a/spec.json": b"{}", "manifest.json": b"[]"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    objects = FileObjects(tmp_path)
    yield cast(
        "World", SimpleNamespace(settings=Settings(), clock=SystemClock(), parts={"object_store": objects.store})
    )
    objects.close()


async def start(world: World, objects: dict[str, bytes] | None = None) -> None:
    await ensure_published(world, "published", "manifest.json", lambda: objects or OBJECTS)


async def keys(world: World) -> list[str]:
    found = [await store(world).versions.find("published", key) for key in OBJECTS]
    return [version.key for version in found if version is not None]


def store(world: World) -> Any:
    return world.parts["object_store"]


async def test_the_first_start_makes_all_objects_in_the_servers_account(world: World) -> None:
    await start(world)

    assert await keys(world) == list(OBJECTS)
    assert (await store(world).buckets.find("published")).account == world.settings.account


async def test_what_a_client_deleted_stays_away(world: World) -> None:
    await start(world)
    await store(world).versions.remove("published", [Removal("a/spec.json")])
    await start(world)

    assert await keys(world) == ["manifest.json"]


async def test_a_server_that_died_on_the_way_does_all_of_it_again(world: World) -> None:
    await start(world, {"a/spec.json": b"torn"})
    await start(world)

    assert await keys(world) == list(OBJECTS)
    assert (await store(world).versions.find("published", "a/spec.json")).size == 2


async def test_a_bucket_of_another_account_is_left_alone(world: World) -> None:
    await store(world).buckets.create(Bucket("published", "999999999999", "us-west-2", 0.0))
    await start(world)

    assert await keys(world) == []
