"""What a training job leaves in S3: the model, the output data, and checkpoints while it runs.

Every object has a key made from the job's name alone, so that uploading twice after a crash leaves one.
"""

import asyncio
import os
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from salvia.ports.objects import NoSuchObjectError, Objects
from salvia.ports.table import Record
from salvia.services.sagemaker.runs.channels import bucket_and_key, copy_links
from salvia.services.sagemaker.runs.left import copy_below, files_below, open_up, read_below
from salvia.services.sagemaker.runs.places import Item, placements
from salvia.services.sagemaker.training.request import CHECKPOINTS

_USUAL_VOLUME = 30  # GiB, where the job names none
_LONGEST_KEY = 1024  # bytes
_IN_MEMORY = 8 << 20  # bytes of a checkpoint; larger ones are copied on the disk
_LEVEL = 1  # of gzip: models are mostly incompressible numbers; level 6 took 3x the time for 2 % less


def output_uri(job: Record) -> str:
    return f"{job.spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output"


def model_uri(job: Record) -> str:
    """Where the model is, or will be: a tar, or a prefix when OutputDataConfig says CompressionType NONE."""
    packed = job.spec["OutputDataConfig"]["CompressionType"] == "GZIP"
    return f"{output_uri(job)}/model.tar.gz" if packed else f"{output_uri(job)}/model/"


class ArtifactError(Exception):
    """What the job left cannot be kept; the text is fit for a FailureReason."""


def volume(job: Record) -> int:
    """Bytes of the volume that the job asked for."""
    asked: int = job.spec["ResourceConfig"].get("VolumeSizeInGB") or _USUAL_VOLUME
    return asked << 30


async def upload_model(objects: Objects, job: Record, folders: list[Path]) -> None:
    """`folders` are /opt/ml of the instances; where two left the same file, the first instance's is kept.

    Raises ArtifactError.
    """
    files = await asyncio.to_thread(_merged, folders, "model", volume(job))
    if job.spec["OutputDataConfig"]["CompressionType"] == "GZIP":
        await _upload_tar(objects, model_uri(job), files, folders[0])
        return
    bucket, prefix = bucket_and_key(model_uri(job))
    for name in files:
        if not _is_key(f"{prefix}{name}"):
            raise ArtifactError(
                f"ClientError: Artifact upload failed: {name[:200]!r} below /opt/ml/model cannot be the key of an S3 object, "
                "which is UTF-8 of at most 1024 bytes."
            )
    for name, path in files.items():
        await objects.put_file(bucket, f"{prefix}{name}", path)


async def upload_output(objects: Objects, job: Record, folders: list[Path]) -> None:
    """output.tar.gz, when there is anything in /opt/ml/output/data. Raises ArtifactError."""
    files = await asyncio.to_thread(_merged, folders, "output/data", volume(job))
    if files:
        await _upload_tar(objects, f"{output_uri(job)}/output.tar.gz", files, folders[0])


def _merged(folders: list[Path], name: str, most: int) -> dict[str, Path]:
    try:
        for folder in folders:
            open_up(folder, name)
    except OSError as error:
        raise ArtifactError(
            f"ClientError: Artifact upload failed: folders below /opt/ml/{name} cannot be read: {error.strerror}."
        ) from error
    files = {
        str(path.relative_to(folder / name)): path for folder in reversed(folders) for path in files_below(folder, name)
    }
    for path in files.values():
        if _is_endless(path.lstat(), most):
            raise ArtifactError(
                f"ClientError: Artifact upload failed: {path.name!r} is larger than the VolumeSizeInGB of the job."
            )
    return files


def _is_endless(file: os.stat_result, most: int) -> bool:
    """A file that is mostly a hole takes no room to make, and would keep the server busy for days."""
    return file.st_size > most and file.st_blocks * 512 < file.st_size


def _is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= _LONGEST_KEY
    except UnicodeEncodeError:
        return False


async def _upload_tar(objects: Objects, uri: str, files: dict[str, Path], ml: Path) -> None:
    target = _draft(ml)
    await asyncio.to_thread(_pack, files, target)
    bucket, key = bucket_and_key(uri)
    await objects.put_file(bucket, key, target, content_type="application/x-gzip")
    target.unlink(missing_ok=True)


def _draft(ml: Path) -> Path:
    """A new file beside /opt/ml, where no job can have put a link in its place."""
    descriptor, path = tempfile.mkstemp(prefix="artifact-", dir=ml.parent)
    os.close(descriptor)
    return Path(path)


def _pack(files: dict[str, Path], target: Path) -> None:
    with tarfile.open(target, "w:gz", compresslevel=_LEVEL) as tar:
        for name, path in sorted(files.items()):
            tar.add(path, arcname=name, recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode &= 0o777
    return member


@dataclass(slots=True)
class Checkpoints:
    """Keeps the checkpoint folder of one instance and its S3 prefix alike."""

    objects: Objects
    ml: Path
    local: str  # the folder, below `ml`
    bucket: str
    prefix: str
    most: int  # bytes of the job's volume
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> size and mtime when it was sent

    @classmethod
    def of(cls, objects: Objects, job: Record, ml: Path) -> "Checkpoints":
        config = job.spec["CheckpointConfig"]
        bucket, prefix = bucket_and_key(config["S3Uri"])
        local = str(Path(config.get("LocalPath", CHECKPOINTS)).relative_to("/opt/ml"))
        return cls(objects, ml, local, bucket, f"{prefix.rstrip('/')}/" if prefix else "", volume(job))

    async def restore(self) -> None:
        """Bring what an earlier job left under the prefix. The files are the job's own: it may overwrite them.

        Raises ChannelError.
        """
        after, folder = "", self.ml / self.local
        wanted: list[Item] = []
        while True:
            try:
                step = await self.objects.list(self.bucket, self.prefix, after=after)
            except NoSuchObjectError:
                break
            found = [info.key for info in step if not info.key.endswith("/")]
            wanted += [Item(self.bucket, key, key.removeprefix(self.prefix)) for key in found]
            if len(step) < 1000:
                break
            after = step[-1].key
        folder.mkdir(parents=True, exist_ok=True)
        await self.objects.place(placements(wanted, folder))
        await asyncio.to_thread(copy_links, folder)

    async def send(self) -> None:
        """Upload what is new or changed since the last time, except what can be no object."""
        for path in list(files_below(self.ml, self.local)):
            name = str(path.relative_to(self.ml / self.local))
            try:
                stat = path.lstat()
                mark = stat.st_size, stat.st_mtime_ns
                if self.sent.get(name) == mark or _is_endless(stat, self.most) or not _is_key(self.prefix + name):
                    continue
                await self._send(name, stat.st_size)
            except OSError:
                continue  # the job has replaced it meanwhile: the next round sees the new one
            self.sent[name] = mark

    async def _send(self, name: str, size: int) -> None:
        key, below = f"{self.prefix}{name}", f"{self.local}/{name}"
        if size <= _IN_MEMORY:
            await self.objects.put(self.bucket, key, await asyncio.to_thread(read_below, self.ml, below, _IN_MEMORY))
            return
        draft = _draft(self.ml)
        try:
            await asyncio.to_thread(copy_below, self.ml, below, draft)
            await self.objects.put_file(self.bucket, key, draft)
        finally:
            draft.unlink(missing_ok=True)
