"""Model data below /opt/ml: what a tar may hold, and where prefixes and single objects stand."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from salvia.resources.world import World
from salvia.services.sagemaker.runs import model
from salvia.services.sagemaker.runs.access import Access
from tests import fakes

Add = Callable[[tarfile.TarFile], None]


def packed(*adds: Add) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for add in adds:
            add(tar)
    return buffer.getvalue()


def file(name: str, content: bytes = b"x", mode: int = 0o644) -> Add:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        tar.addfile(member, io.BytesIO(content))

    return add


def special(name: str, kind: bytes, target: str = "") -> Add:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        tar.addfile(member)

    return add


async def placed(world: World, data: bytes, **container: object) -> Path:
    world.objects.buckets["bucket"]["m/model.tar.gz"] = data  # type: ignore[attr-defined]
    definition = {"ModelDataUrl": "s3://bucket/m/model.tar.gz"} | container
    access = await Access.of(world, fakes.ROLE, fakes.ACCOUNT, fakes.REGION)
    ml = world.compute.folder("run")
    await model.place(world.objects, access, definition, ml)
    return ml


@pytest.fixture
def world(tmp_path: Path) -> World:
    return fakes.world(tmp_path, "bucket")


async def test_a_tar_is_unpacked_with_its_code_and_its_modes(world: World) -> None:
    ml = await placed(
        world, packed(file("./xgboost-model", b"m"), file("code/inference.py"), file("run.sh", mode=0o755))
    )

    assert (ml / "model/xgboost-model").read_bytes() == b"m"
    assert (ml / "model/code/inference.py").exists()
    assert os.access(ml / "model/run.sh", os.X_OK)
    assert [path.name for path in ml.parent.iterdir()] == ["ml"]


async def test_the_same_model_is_placed_twice_as_if_once(world: World) -> None:
    await placed(world, packed(file("old")))
    ml = await placed(world, packed(file("new")))

    assert [path.name for path in (ml / "model").iterdir()] == ["new"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
async def test_a_link_to_a_file_of_the_archive_is_that_file(world: World, kind: bytes) -> None:
    ml = await placed(world, packed(special("latest", kind, "deep/weights"), file("deep/weights", b"w")))

    assert (ml / "model/latest").read_bytes() == b"w"
    assert not (ml / "model/latest").is_symlink()


@pytest.mark.parametrize(
    "add",
    [
        file("../out"),
        file("/etc/out"),
        file("a/../../out"),
        file("x" * 300),
        special("stolen", tarfile.SYMTYPE, "/etc/passwd"),
        special("stolen", tarfile.SYMTYPE, "../../../../etc/passwd"),
        special("stolen", tarfile.LNKTYPE, "missing"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
)
async def test_what_leaves_the_folder_or_is_no_file_is_refused(world: World, add: Add) -> None:
    with pytest.raises(model.ModelDataError, match="Failed to extract model data archive for container"):
        await placed(world, packed(file("fine"), add))


async def test_links_in_a_circle_lead_nowhere(world: World) -> None:
    with pytest.raises(model.ModelDataError, match="link to what is no file"):
        await placed(world, packed(special("a", tarfile.SYMTYPE, "b"), special("b", tarfile.SYMTYPE, "a")))


@pytest.mark.parametrize(
    "data", [b"", b"no tar", gzip.compress(b"no tar", mtime=0), packed(file("a", b"y" * 9000))[:-100]]
)
async def test_what_is_no_whole_tar_is_said_so(world: World, data: bytes) -> None:
    with pytest.raises(
        model.ModelDataError, match=r"Please ensure that the object located at the URL is a valid tar.gz"
    ):
        await placed(world, data)


async def test_a_bomb_is_not_unpacked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MOST_BYTES", 1000)

    with pytest.raises(model.ModelDataError, match="more than the disk of an instance takes"):
        await placed(world, packed(file("zeros", bytes(2000))))


async def test_a_prefix_and_a_single_object_stand_as_they_are(world: World) -> None:
    world.objects.buckets["bucket"] |= {"m/a/b.bin": b"b", "extra.bin": b"e"}  # type: ignore[attr-defined]
    prefix = {"S3Uri": "s3://bucket/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    single = {"S3Uri": "s3://bucket/extra.bin", "S3DataType": "S3Object", "CompressionType": "None"}

    ml = await placed(
        world,
        b"",
        ModelDataSource={"S3DataSource": prefix},
        AdditionalModelDataSources=[{"ChannelName": "draft", "S3DataSource": single}],
    )

    assert (ml / "model/a/b.bin").read_bytes() == b"b"
    assert (ml / "additional-model-data-sources/draft/extra.bin").read_bytes() == b"e"


async def test_what_is_not_there_or_not_allowed_is_said_in_one_sentence(world: World) -> None:
    world.parts["refused"].add("GetObject m/model.tar.gz")

    with pytest.raises(model.ModelDataError, match="the role passed to CreateModel has permissions"):
        await placed(world, packed(file("a")))
