"""The inputs and outputs of a processing job: S3 on the one side, folders below /opt/ml/processing on the other."""

import asyncio
import os
from pathlib import Path, PurePosixPath
from typing import Any

from salvia.ports.objects import Objects
from salvia.ports.table import Record
from salvia.services.sagemaker.runs import channels
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.artifacts import upload_files
from salvia.services.sagemaker.runs.channels import bucket_and_key
from salvia.services.sagemaker.runs.cluster import Host
from salvia.services.sagemaker.runs.mirror import Mirror


def inputs(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that the platform places, as channels: "path" is the folder below /opt/ml. A folder comes before what is in it."""
    found = []
    for one in spec.get("ProcessingInputs") or ():
        if one["AppManaged"]:
            continue
        source = one["S3Input"]
        found.append(
            {
                "path": _below_ml(source["LocalPath"]),
                "DataSource": {"S3DataSource": {name: source[name] for name in _SOURCE}},
                "CompressionType": source["S3CompressionType"],
                "RecordWrapperType": "None",
            }
        )
    return sorted(found, key=lambda channel: len(PurePosixPath(channel["path"]).parts))


def outputs(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The S3Outputs that the platform uploads, with "path", the folder below /opt/ml."""
    found = (spec.get("ProcessingOutputConfig") or {}).get("Outputs") or ()
    return [
        one["S3Output"] | {"path": _below_ml(one["S3Output"]["LocalPath"])} for one in found if not one["AppManaged"]
    ]


async def place(
    objects: Objects, access: Access, job: Record, folder: Path, hosts: list[Host], host: Host
) -> list[str]:
    """Put all inputs of an instance below `folder`, its /opt/ml, and make the folders of outputs.

    Idempotent. Returns the paths that must stay as they are. Raises ChannelError.
    """
    wanted = inputs(job.spec)
    paths = [channel["path"] for channel in wanted] + [output["path"] for output in outputs(job.spec)]
    linked = []
    for channel in wanted:
        items = await channels.items_of(objects, channel, hosts, host)
        await access.check_input(channel, items)
        path = channel["path"]
        if await channels.place(objects, channel, items, folder / path):
            continue
        if paths.count(path) > 1 or any(other.startswith(f"{path}/") for other in paths):
            await asyncio.to_thread(channels.copy_links, folder / path)  # something will be written in there
        else:
            linked.append(path)
    for output in outputs(job.spec):
        (folder / output["path"]).mkdir(parents=True, exist_ok=True)
    return linked


def mirrors(objects: Objects, job: Record, folder: Path) -> list[Mirror]:
    """One for each output that goes up while the job runs."""
    found = []
    for output in outputs(job.spec):
        if output["S3UploadMode"] == "Continuous":
            bucket, prefix = bucket_and_key(output["S3Uri"])
            prefix = f"{prefix.rstrip('/')}/" if prefix else ""
            found.append(Mirror(objects, folder, output["path"], bucket, prefix, volume(job)))
    return found


async def upload(objects: Objects, job: Record, folders: list[Path], *, failed: bool) -> None:
    """What the instances, whose /opt/ml are `folders`, left for S3. Of a failed job, only what goes up continuously.

    Raises ArtifactError and NoSuchObjectError.
    """
    for output in outputs(job.spec):
        if not failed or output["S3UploadMode"] == "Continuous":
            await upload_files(objects, folders, output["path"], output["S3Uri"], volume(job))


def volume(job: Record) -> int:
    """Bytes of the volume that the job asked for."""
    asked: int = job.spec["ProcessingResources"]["ClusterConfig"]["VolumeSizeInGB"]
    return asked << 30


def _below_ml(path: str) -> str:
    return os.path.relpath(path, "/opt/ml")


_SOURCE = ("S3Uri", "S3DataType", "S3DataDistributionType")
