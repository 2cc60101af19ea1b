"""What is on the disk: few bytes in the index, many in files, no byte twice, and nothing that nobody needs."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from salvia.adapters.objects.contents import SMALL
from salvia.adapters.objects.files import FileObjects
from salvia.adapters.objects.garbage import KEEP_FREED_SECONDS
from salvia.base.clock import SetClock
from salvia.base.errors import AwsError
from salvia.ports.object_store import Bucket, Completion, Draft, Part, Upload
from salvia.ports.objects import NoSuchObjectError, ObjectInfo, Placement

BIG = b"0123456789abcdef" * 4096  # 64 KiB
FIVE = os.urandom(5 * 1024 * 1024)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def objects(tmp_path: Path, clock: SetClock) -> AsyncIterator[FileObjects]:
    made = FileObjects(tmp_path / "store", clock)
    await made.store.buckets.create(Bucket("b", "000000000000", "us-east-1", 0.0))
    yield made
    made.close()


def stored(objects: FileObjects) -> list[Path]:
    return [path for path in objects.store.contents.folder.rglob("*") if path.is_file()]  # type: ignore[attr-defined]


def incoming(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "store/incoming").rglob("*") if path.is_file()]


async def pieces(*datas: bytes) -> AsyncIterator[bytes]:
    for data in datas:
        yield data


async def in_parts(objects: FileObjects, key: str, *datas: bytes) -> None:
    uploads = objects.store.uploads
    upload = Upload(f"upload-of-{key}", "b", key, "000000000000", 0.0)
    await uploads.create(upload)
    parts = []
    for number, data in enumerate(datas, 1):
        content = await objects.store.contents.receive(pieces(data), [upload.algorithm], small=False)
        parts.append(await uploads.put_part(upload, number, content))
    await uploads.complete(upload, Completion([Part(part.number, 0, part.etag) for part in parts]))


async def test_few_bytes_need_no_file_and_many_have_one(objects: FileObjects, tmp_path: Path) -> None:
    await objects.put("b", "few", b"x" * SMALL)
    assert stored(objects) == []

    await objects.put("b", "many", b"x" * (SMALL + 1))

    (file,) = stored(objects)
    assert file.stat().st_mode & 0o777 == 0o444
    assert file.stat().st_nlink == 1
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert incoming(tmp_path) == []


async def test_a_body_that_turns_out_wrong_leaves_nothing(objects: FileObjects, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield BIG
        raise AwsError("not what was signed")

    with pytest.raises(AwsError, match="not what was signed"):
        await objects.store.contents.receive(broken())

    assert stored(objects) == []
    assert incoming(tmp_path) == []


async def test_a_commit_that_fails_leaves_nothing(objects: FileObjects, tmp_path: Path) -> None:
    content = await objects.store.contents.receive(pieces(BIG))

    with pytest.raises(AwsError, match="bucket does not exist"):
        await objects.store.versions.commit(Draft("absent", "k"), content)

    assert stored(objects) == []
    assert incoming(tmp_path) == []


async def test_a_cancelled_upload_leaves_nothing(objects: FileObjects, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield BIG * 20
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(objects.store.contents.receive(endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert stored(objects) == []
    assert incoming(tmp_path) == []


async def test_an_overwritten_file_stays_for_its_readers_then_goes(objects: FileObjects, clock: SetClock) -> None:
    await objects.put("b", "k", BIG)
    await objects.put("b", "k", b"small now")
    assert len(stored(objects)) == 1

    clock.advance(KEEP_FREED_SECONDS + 1)
    await objects._files.garbage.reap()

    assert stored(objects) == []


async def test_a_copy_adds_no_bytes_and_outlives_its_source(objects: FileObjects, clock: SetClock) -> None:
    await objects.put("b", "source", BIG)
    source = await objects.store.versions.find("b", "source")
    assert source
    await objects.store.versions.copy(Draft("b", "copy"), source)
    assert len(stored(objects)) == 1

    await objects.delete("b", "source")
    clock.advance(KEEP_FREED_SECONDS + 1)
    await objects._files.garbage.reap()

    assert await objects.get("b", "copy") == BIG


async def test_completing_an_upload_copies_no_bytes(objects: FileObjects) -> None:
    await in_parts(objects, "k", FIVE, b"tail")

    assert sorted(path.stat().st_size for path in stored(objects)) == [4, len(FIVE)]
    assert await objects.get("b", "k") == FIVE + b"tail"


async def test_an_object_of_parts_is_placed_as_one_file_and_joined_once(
    objects: FileObjects, tmp_path: Path, clock: SetClock
) -> None:
    await in_parts(objects, "k", FIVE, b"tail")
    await objects.place([Placement("b", "k", tmp_path / "run/first")])
    await objects.place([Placement("b", "k", tmp_path / "run/second")])
    clock.advance(KEEP_FREED_SECONDS + 1)
    await objects._files.garbage.reap()

    found = await objects.store.versions.find("b", "k")
    assert (tmp_path / "run/first").read_bytes() == FIVE + b"tail"
    assert (tmp_path / "run/first").samefile(tmp_path / "run/second")
    assert (tmp_path / "run/first").samefile(stored(objects)[0])
    assert len(stored(objects)) == 1
    assert found
    assert [part.size for part in found.parts] == [len(FIVE), 4]


async def test_placing_links_and_does_not_copy(objects: FileObjects, tmp_path: Path) -> None:
    await objects.put("b", "k", BIG)

    await objects.place([Placement("b", "k", tmp_path / "run/data")])

    assert (tmp_path / "run/data").samefile(stored(objects)[0])


async def test_the_file_of_a_run_is_moved_in_unless_somebody_holds_a_link_to_it(
    objects: FileObjects, tmp_path: Path
) -> None:
    (tmp_path / "own").write_bytes(BIG)
    (tmp_path / "shared").write_bytes(BIG)
    (tmp_path / "link").hardlink_to(tmp_path / "shared")

    await objects.put_file("b", "own", tmp_path / "own")
    await objects.put_file("b", "shared", tmp_path / "shared")
    (tmp_path / "link").write_bytes(b"changed behind our back")

    assert not (tmp_path / "own").exists()
    assert await objects.get("b", "shared") == BIG


async def test_the_file_of_a_run_outlasts_a_server_that_dies_before_it_is_an_object(
    objects: FileObjects, clock: SetClock, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(BIG)
    dying = FileObjects(tmp_path / "store", clock)
    await dying.store.contents.take_file(tmp_path / "model", [])  # type: ignore[attr-defined]
    dying.close()  # it was never committed

    FileObjects(tmp_path / "store", clock).close()  # sweeps
    await objects.put_file("b", "model", tmp_path / "model")

    assert await objects.get("b", "model") == BIG
    assert len(stored(objects)) == 1


async def test_the_file_of_a_run_stays_when_its_bucket_is_not_there(objects: FileObjects, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(BIG)

    with pytest.raises(NoSuchObjectError):
        await objects.put_file("nowhere", "model", tmp_path / "model")

    assert (tmp_path / "model").read_bytes() == BIG


async def test_concurrent_writers_of_one_key_leave_one_whole_object(objects: FileObjects) -> None:
    datas = [bytes([number]) * 50_000 for number in range(20)]

    await asyncio.gather(*(objects.put("b", "k", data) for data in datas))

    assert await objects.get("b", "k") in datas


async def test_every_new_version_is_told_of(objects: FileObjects) -> None:
    told: list[ObjectInfo] = []
    objects.on_created(told.append)
    source = await objects.put("b", "put", BIG)
    found = await objects.store.versions.find("b", "put")
    assert found
    await objects.store.versions.copy(Draft("b", "copied"), found)
    await in_parts(objects, "parts", b"x")

    assert [info.key for info in told] == ["put", "copied", "parts"]
    assert told[0] == source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


async def test_what_a_dead_server_was_writing_is_swept_and_what_a_living_one_writes_is_not(
    folder: Path, clock: SetClock
) -> None:
    living = FileObjects(folder, clock)
    await living.store.buckets.create(Bucket("b", "0", "us-east-1", 0.0))
    writing = await living.store.contents.receive(pieces(BIG))
    dead = folder / "incoming/dead"
    dead.mkdir()
    for name in ("aa-linked", "bb-only-incoming"):
        (dead / name).write_bytes(b"left over")
    (folder / "objects/aa/aa-linked").hardlink_to(dead / "aa-linked")

    second = FileObjects(folder, clock)
    await living.store.versions.commit(Draft("b", "k"), writing)

    assert not dead.exists()
    assert not (folder / "objects/aa/aa-linked").exists()
    assert await second.get("b", "k") == BIG
    second.close()
    living.close()


async def test_a_server_that_died_between_commit_and_tidying_loses_nothing(folder: Path, clock: SetClock) -> None:
    first = FileObjects(folder, clock)
    await first.store.buckets.create(Bucket("b", "0", "us-east-1", 0.0))
    await first.put("b", "k", BIG)
    (file,) = stored(first)
    dead = folder / "incoming/dead"
    dead.mkdir()
    (dead / file.name).hardlink_to(file)
    first.close()

    second = FileObjects(folder, clock)

    assert await second.get("b", "k") == BIG
    assert not dead.exists()
    second.close()


async def test_two_servers_share_one_folder(folder: Path, clock: SetClock) -> None:
    one, two = FileObjects(folder, clock), FileObjects(folder, clock)
    await one.store.buckets.create(Bucket("b", "0", "us-east-1", 0.0))

    await asyncio.gather(
        *(store.put("b", f"k{n}-{i}", b"x" * 20_000) for n in range(15) for i, store in enumerate((one, two)))
    )

    assert [info.key for info in await one.list("b", "")] == [info.key for info in await two.list("b", "")]
    assert len(await one.list("b", "")) == 30
    one.close()
    two.close()
