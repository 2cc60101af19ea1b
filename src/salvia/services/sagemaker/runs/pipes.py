"""Pipe channels: what stands beside a run's /opt/ml for the process that feeds its FIFOs (salvia_container.feed).

Source: the pages "AlgorithmSpecification", "ShuffleConfig" and "Augmented manifest files" of the SageMaker documentation.
"""

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salvia.ports.objects import NoSuchObjectError, Objects
from salvia.services.sagemaker.runs import channels
from salvia.services.sagemaker.runs.cluster import Host
from salvia.services.sagemaker.runs.places import ChannelError, Item, placements

Piece = int | str  # the number of an object, or a text


@dataclass(frozen=True, slots=True)
class Feed:
    """One instance's part of a channel: `items` are what it reads, each under its number, `plan` is what feed.Plan reads."""

    items: list[Item]
    plan: dict[str, Any]


async def feed_of(objects: Objects, channel: dict[str, Any], hosts: list[Host], host: Host) -> Feed:
    """Raises ChannelError."""
    source = channel["DataSource"]["S3DataSource"]
    chosen = channels.chosen(source, hosts)
    records: list[list[Item | str]] = []
    if host in chosen:
        records = await _records(objects, source)
    first, step = 0, 1
    if records and source["S3DataDistributionType"] == "ShardedByS3Key":
        first, step = chosen.index(host), len(chosen)
    seed = channel.get("ShuffleConfig", {}).get("Seed")
    if seed is None:  # every epoch has the same part: the rest need not be there
        records, first, step = records[first::step], 0, 1
    items: list[Item] = []
    numbered: list[list[Piece]] = []
    for record in records:
        pieces: list[Piece] = []
        for piece in record:
            if isinstance(piece, str):
                pieces.append(piece)
            else:
                pieces.append(len(items))
                items.append(Item(piece.bucket, piece.key, str(len(items))))
        numbered.append(pieces)
    plan = {
        "channel": channel["ChannelName"],
        "records": numbered,
        "share": (first, step),
        "seed": seed,
        "gzip": channel["CompressionType"] == "Gzip",
        "recordio": channel["RecordWrapperType"] == "RecordIO",
    }
    return Feed(items, plan)


async def lay(objects: Objects, feed: Feed, folder: Path) -> None:
    """Puts the feed beside `folder`, the run's /opt/ml, and makes the first FIFO. Idempotent. Raises ChannelError."""
    name = feed.plan["channel"]
    beside = folder.parent / "feed"
    await asyncio.to_thread(_emptied, beside / name)
    try:
        await objects.place(placements(feed.items, beside / name))
    except NoSuchObjectError as error:
        raise ChannelError(f"ClientError: Data download failed: {error}") from error
    await asyncio.to_thread(_handed_over, feed, beside, folder / "input/data")


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _handed_over(feed: Feed, beside: Path, data: Path) -> None:
    """The feeder reads as the run's own user."""
    name = feed.plan["channel"]
    (beside / f"{name}.json").write_text(json.dumps(feed.plan), encoding="utf-8")
    (beside / f"{name}.json").chmod(0o644)
    for path in (beside, beside / name):
        path.chmod(0o755)
    for path in (beside / name).iterdir():
        if path.stat().st_mode & 0o444 != 0o444:
            path.chmod(0o444)
    first = data / f"{name}_0"
    data.mkdir(parents=True, exist_ok=True)
    if not first.exists():
        os.mkfifo(first)
        first.chmod(0o644)  # an image's own user reads it too


async def _records(objects: Objects, source: dict[str, Any]) -> list[list[Item | str]]:
    if source["S3DataType"] != "AugmentedManifestFile":
        return [[item] for item in await channels.found(objects, source)]
    text = await channels.manifest_text(objects, source)
    records = [_attributes(line, number, source) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not records:
        raise ChannelError(f"ClientError: Data download failed: {source['S3Uri']} has no lines.")
    return records


def _attributes(line: str, number: int, source: dict[str, Any]) -> list[Item | str]:
    """One line's attributes in the order of AttributeNames: what -ref names as an object, the others as they stand."""
    names = source["AttributeNames"]
    try:
        values = [json.loads(line)[name] for name in names]
        return [_attribute(name, value) for name, value in zip(names, values, strict=True)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ChannelError(
            f"ClientError: line {number} of {source['S3Uri']} is not a JSON object with {', '.join(names)}."
        ) from error


def _attribute(name: str, value: Any) -> Item | str:
    if name.endswith("-ref"):
        return Item(*channels.bucket_and_key(value), "")
    return value if isinstance(value, str) else json.dumps(value)
