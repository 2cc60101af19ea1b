"""The model of an inference container: brought from S3 to where the container finds it, below its /opt/ml.

Source: "Use Your Own Inference Code with Hosting Services" and the pages "ContainerDefinition" and "S3ModelDataSource" of the
SageMaker documentation.
"""

import asyncio
import os
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salvia.ports.objects import NoSuchObjectError, Objects, Placement
from salvia.services.sagemaker.runs import channels
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.channels import bucket_and_key
from salvia.services.sagemaker.runs.places import ChannelError, Item, placements

MOST_BYTES = 30 << 30  # unpacked, as much as the volume of an instance holds on AWS
MOST_FILES = 200_000
_SPARE = 1 << 30  # bytes of the disk that no model gets
_LONGEST_NAME, _LONGEST_PATH = 255, 3000  # bytes
_CHUNK = 1 << 20


class ModelDataError(Exception):
    """The model cannot be had; the text is fit for a FailureReason."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where model data is, and `below`, the folder of /opt/ml that it becomes.

    `packed`: one gzip tar, which is unpacked. `single`: one object as it is. Else all objects below a prefix.
    """

    uri: str
    below: str = "model"
    packed: bool = False
    single: bool = False


def sources_of(container: Mapping[str, Any]) -> list[Source]:
    """Everything a container definition wants below /opt/ml; nothing for the models of a multi-model container."""
    extras = container.get("AdditionalModelDataSources") or ()
    found = [_source(one["S3DataSource"], f"additional-model-data-sources/{one['ChannelName']}") for one in extras]
    if container.get("Mode", "SingleModel") == "SingleModel":
        if container.get("ModelDataSource"):
            found.append(_source(container["ModelDataSource"]["S3DataSource"], "model"))
        elif container.get("ModelDataUrl"):
            found.append(Source(container["ModelDataUrl"], packed=True))
    return found


def _source(source: Mapping[str, Any], below: str) -> Source:
    single = source["S3DataType"] == "S3Object"
    return Source(source["S3Uri"], below, packed=source["CompressionType"] == "Gzip", single=single)


async def exists(objects: Objects, source: Source) -> bool:
    bucket, key = bucket_and_key(source.uri)
    if not (source.packed or source.single):
        return await channels.any_object(objects, source.uri)
    try:
        await objects.head(bucket, key)
    except NoSuchObjectError:
        return False
    return True


async def place(
    objects: Objects, access: Access, container: Mapping[str, Any], ml: Path, label: str = "primary"
) -> tuple[str, ...]:
    """Put the container's model data into the run's /opt/ml, `ml`. Returns the paths below it that must stay as they are.

    Idempotent: what an interrupted call left is replaced. `label` is what the container is called in messages.
    Raises ModelDataError.
    """
    (ml / "model").mkdir(parents=True, exist_ok=True)
    linked = []
    for source in sources_of(container):
        if source.packed:
            await _unpack(objects, access, source, ml, label)
        elif not await _copy(objects, access, source, ml, label):
            linked.append(source.below)
    return tuple(linked)


async def _unpack(objects: Objects, access: Access, source: Source, ml: Path, label: str) -> None:
    if not await access.allows("GetObject", source.uri):
        raise _unreachable(source, label)
    bucket, key = bucket_and_key(source.uri)
    archive = ml.parent / f"artifact-{source.below.replace('/', '-')}.tar.gz"
    archive.unlink(missing_ok=True)
    try:
        await objects.place([Placement(bucket, key, archive)])
        await asyncio.to_thread(unpack, archive, ml / source.below)
    except NoSuchObjectError as error:
        raise _unreachable(source, label) from error
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelDataError(
            f'Failed to extract model data archive for container "{label}" from URL "{source.uri}". Please ensure that the '
            f"object located at the URL is a valid tar.gz archive. ({why or type(error).__name__})"
        ) from error
    finally:
        archive.unlink(missing_ok=True)


async def _copy(objects: Objects, access: Access, source: Source, ml: Path, label: str) -> bool:
    """Whether the files are copies, which the container may change."""
    bucket, key = bucket_and_key(source.uri)
    try:
        if source.single:
            items = [Item(bucket, key, key.rpartition("/")[2])]
        else:
            items = await channels.below(objects, bucket, key)
    except NoSuchObjectError as error:
        raise _unreachable(source, label) from error
    if not items:
        raise _unreachable(source, label)
    for item in items:
        if not await access.allows("GetObject", f"s3://{item.bucket}/{item.key}"):
            raise _unreachable(source, label)
    try:
        placements(items, ml / source.below)
        return await channels.place(objects, _AS_IT_IS, items, ml / source.below)
    except ChannelError as error:
        raise ModelDataError(str(error)) from error


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a gzip tar into `folder`, which is emptied before: folders and regular files, and nothing outside it.

    A link to a file of the archive becomes a second name of that file. Raises ValueError for anything else in it, for a
    name that leaves the folder and for more than MOST_BYTES, MOST_FILES or the disk has; and what tarfile raises.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    left, files = min(MOST_BYTES, _free(folder)), 0
    links: list[tuple[Path, Path, str]] = []
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            path = _inside(folder, member.name)
            files += 1
            left -= member.size if member.isreg() else 0
            if left < 0 or files > MOST_FILES:
                raise ValueError("it holds more than the disk of an instance takes")
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                _write(tar, member, path)
            elif member.issym() or member.islnk():
                base = posixpath.dirname(member.name) if member.issym() else ""
                links.append((path, _inside(folder, posixpath.join(base, member.linkname)), member.name))
            else:
                raise ValueError(f"{member.name[:200]!r} is neither a file nor a folder")
    for path, target, name in _resolved(links):
        if not target.is_file():
            raise ValueError(f"{name[:200]!r} is a link to what is no file of the archive")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.link(target, path)
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o755)  # noqa: S103 - the run reads as another user; what is above is the server's own


def _resolved(links: list[tuple[Path, Path, str]]) -> Iterator[tuple[Path, Path, str]]:
    """Links to links lead to what those lead to; a circle leads nowhere."""
    targets = {path: target for path, target, _ in links}
    for path, target, name in links:
        end, seen = target, {path}
        while end in targets and end not in seen:
            seen.add(end)
            end = targets[end]
        yield path, end, name


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # the same name twice: the last counts
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _inside(folder: Path, name: str) -> Path:
    parts = [part for part in posixpath.normpath(f"./{name}").split("/") if part not in {"", "."}]
    sizes = [len(os.fsencode(part)) for part in parts]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"{name[:200]!r} is not a name inside the archive")
    if sizes and (max(sizes) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_PATH):
        raise ValueError(f"{name[:200]!r}... is too long for the name of a file")
    return folder.joinpath(*parts)


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return max(0, disk.f_bavail * disk.f_frsize - _SPARE)


def _unreachable(source: Source, label: str) -> ModelDataError:
    return ModelDataError(
        f'Failed to download model data for container "{label}" from URL: "{source.uri}". Please ensure that there is an '
        "object located at the URL and that the role passed to CreateModel has permissions to download the model."
    )


_AS_IT_IS = {"CompressionType": "None", "RecordWrapperType": "None"}
