"""Input channels: which objects an instance gets, and where below /opt/ml/input/data they stand.

Source: the pages "S3DataSource" and "How Amazon SageMaker provides training information" of the SageMaker documentation.
"""

import asyncio
import gzip
import json
import os
import random
import shutil
import struct
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from salvia.ports.objects import NoSuchObjectError, Objects, Placement
from salvia.services.sagemaker.runs.cluster import Host
from salvia.services.sagemaker.runs.places import ChannelError, Item, placements

COPIED = 16 << 20  # bytes of a channel
_PART = f".{uuid.uuid4().hex}.part"  # a name that nothing else has, and short enough beside any
_RECORDIO_MAGIC = 0xCED7230A


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Takes apart s3://bucket/key and the https forms of it that clients send."""
    scheme, _, rest = uri.partition("://")
    host, _, key = rest.partition("/")
    if scheme != "https":
        return host, key
    bucket, dot, _ = host.partition(".s3")
    if dot:
        return bucket, key
    bucket, _, key = key.partition("/")  # https://s3.region.amazonaws.com/bucket/key
    return bucket, key


async def any_object(objects: Objects, uri: str) -> bool:
    bucket, prefix = bucket_and_key(uri)
    try:
        return bool(await objects.list(bucket, prefix, limit=1))
    except NoSuchObjectError:
        return False


async def items_of(objects: Objects, channel: dict[str, Any], hosts: list[Host], host: Host) -> list[Item]:
    """What `host` gets of the channel. Raises ChannelError."""
    source = channel["DataSource"]["S3DataSource"]
    sharing = chosen(source, hosts)
    if host not in sharing:
        return []
    items = await found(objects, source)
    if source["S3DataDistributionType"] == "ShardedByS3Key":
        if shuffle := channel.get("ShuffleConfig"):  # the names stay: what it changes is which instance gets which
            random.Random(f"{shuffle['Seed']}:0").shuffle(items)  # noqa: S311 - an order that can be had again
        return items[sharing.index(host) :: len(sharing)]
    return items


def chosen(source: dict[str, Any], hosts: list[Host]) -> list[Host]:
    """The instances that get the data."""
    groups = source.get("InstanceGroupNames")
    return [host for host in hosts if host.group in groups] if groups else hosts


async def found(objects: Objects, source: dict[str, Any]) -> list[Item]:
    """All that the source names, in its order. Raises ChannelError."""
    try:
        items = await _listed(objects, source)
    except NoSuchObjectError as error:
        raise ChannelError(f"ClientError: Data download failed: {error}") from error
    if not items:
        raise ChannelError(f"ClientError: Data download failed: no S3 objects found under {source['S3Uri']}.")
    return items


async def manifest_text(objects: Objects, source: dict[str, Any]) -> str:
    """Raises ChannelError."""
    try:
        return _text(await objects.get(*bucket_and_key(source["S3Uri"])), source["S3Uri"])
    except NoSuchObjectError as error:
        raise ChannelError(f"ClientError: Data download failed: {error}") from error


async def _listed(objects: Objects, source: dict[str, Any]) -> list[Item]:
    bucket, key = bucket_and_key(source["S3Uri"])
    if source["S3DataType"] == "S3Prefix":
        return await below(objects, bucket, key)
    text = await manifest_text(objects, source)
    if source["S3DataType"] == "ManifestFile":
        return _manifest(text, source["S3Uri"])
    return [Item(bucket, key, key.rpartition("/")[2]), *_augmented(text, source)]


async def below(objects: Objects, bucket: str, prefix: str) -> list[Item]:
    found: list[Item] = []
    after = ""
    while True:
        step = await objects.list(bucket, prefix, after=after)
        found += [Item(bucket, info.key, _relative(info.key, prefix)) for info in step if not info.key.endswith("/")]
        if len(step) < 1000:
            return found
        after = step[-1].key


def _relative(key: str, prefix: str) -> str:
    """data/train/a.csv is a.csv below s3://b/data/train, and train.csv below s3://b/data/train.csv."""
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    return key[len(folder) :] if key.startswith(folder) else key[prefix.rpartition("/")[0].__len__() :].lstrip("/")


def _text(data: bytes, uri: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ChannelError(f"ClientError: {uri} is not a manifest: it is not UTF-8.") from error


def _manifest(text: str, uri: str) -> list[Item]:
    """[{"prefix": "s3://bucket/folder/"}, "a.csv", ...]"""
    try:
        head, *names = json.loads(text)
        bucket, prefix = bucket_and_key(head["prefix"])
        return [Item(bucket, f"{prefix}{name}", str(name).lstrip("/")) for name in names]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ChannelError(
            f"ClientError: {uri} is not a manifest: it must be a JSON list that begins with a prefix, "
            'such as [{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"].'
        ) from error


def _augmented(text: str, source: dict[str, Any]) -> list[Item]:
    """JSON lines; an attribute that ends in -ref names an object, which is placed under its key."""
    wanted = [name for name in source.get("AttributeNames", ()) if name.endswith("-ref")]
    found: list[Item] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            references = [bucket_and_key(json.loads(line)[name]) for name in wanted] if line.strip() else []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ChannelError(
                f"ClientError: line {number} of {source['S3Uri']} is not a JSON object with {', '.join(wanted)}."
            ) from error
        found += [Item(bucket, key, key) for bucket, key in references]
    return found


async def place(
    objects: Objects, channel: dict[str, Any], items: Iterable[Item], folder: Path, *, copied: int = COPIED
) -> bool:
    """Put the objects into `folder`. Idempotent: what an interrupted call left is replaced. Raises ChannelError.

    True when the files are copies, which the job may change as it may on AWS: scripts are made executable, and caches are
    written beside data. Channels of more than `copied` bytes are links to the stored objects and must stay as they are.
    """
    placed = placements(items, folder)
    await asyncio.to_thread(_emptied, folder)
    try:
        await objects.place(placed)
    except NoSuchObjectError as error:
        raise ChannelError(f"ClientError: Data download failed: {error}") from error
    if channel["CompressionType"] == "Gzip":
        await asyncio.to_thread(_each, placed, _unzipped)
    if channel["RecordWrapperType"] == "RecordIO":
        await asyncio.to_thread(_each, placed, _wrapped)
    return await asyncio.to_thread(_handed_over, folder, copied)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _handed_over(folder: Path, most: int) -> bool:
    """One pass, with one look at each file: a channel may have very many. The run reads as another user."""
    folders, size = [str(folder)], 0
    unread: list[str] = []
    for place in folders:
        os.chmod(place, 0o755)  # noqa: S103 - what is above is the server's own, mode 0700
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                known = entry.stat()
                size += known.st_size
                if known.st_mode & 0o444 != 0o444:
                    unread.append(entry.path)
    if size <= most:
        copy_links(folder)
        return True
    for path in unread:
        os.chmod(path, 0o444)
    return False


def copy_links(folder: Path) -> None:
    """Replace every file by a copy that can be written to, without touching what it was a link to."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            part = path.with_name(_PART)
            shutil.copyfile(path, part)
            part.chmod(0o644)
            part.rename(path)


def _each(placed: list[Placement], change: Any) -> None:
    for placement in placed:
        part = placement.path.with_name(_PART)
        change(placement.path, part)
        placement.path.unlink()  # the old name may be a link to the stored object, which must never be written to
        part.rename(placement.path)


def _unzipped(source: Path, target: Path) -> None:
    try:
        with gzip.open(source, "rb") as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (OSError, EOFError, zlib.error) as error:
        raise ChannelError(
            f"ClientError: {source.name} is not gzip, but its channel has CompressionType Gzip."
        ) from error


def _wrapped(source: Path, target: Path) -> None:
    """One RecordIO record: magic, length, the object, zeros up to a multiple of four bytes."""
    size = source.stat().st_size
    with source.open("rb") as plain, target.open("wb") as record:
        record.write(struct.pack("<II", _RECORDIO_MAGIC, size))
        shutil.copyfileobj(plain, record)
        record.write(b"\0" * (-size % 4))


def mode_of(channel: dict[str, Any], mode: str) -> str:
    """A channel's own InputMode stands before `mode`, the job's."""
    return str(channel.get("InputMode") or mode)


def input_data_config(channels: list[dict[str, Any]], mode: str) -> dict[str, Any]:
    """/opt/ml/input/config/inputdataconfig.json"""
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": mode_of(channel, mode),
            "S3DistributionType": channel["DataSource"]["S3DataSource"]["S3DataDistributionType"],
            "RecordWrapperType": channel["RecordWrapperType"],
        }
        | ({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})
        for channel in channels
    }
