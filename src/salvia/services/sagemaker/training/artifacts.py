"""What a training job leaves in S3: the model, the output data, and checkpoints while it runs.

Every object has a key made from the job's name alone, so that uploading twice after a crash leaves one.
"""

import asyncio
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salvia.ports.objects import NoSuchObjectError, Objects, Placement
from salvia.ports.table import Record
from salvia.services.sagemaker.training.channels import bucket_and_key, copy_links
from salvia.services.sagemaker.training.left import files_below, read_below
from salvia.services.sagemaker.training.request import CHECKPOINTS

_LEVEL = 1  # of gzip: models are mostly incompressible numbers; level 6 took 3x the time for 2 % less


def output_uri(job: Record) -> str:
    return f"{job.spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output"


def model_uri(job: Record) -> str:
    """Where the model is, or will be: a tar, or a prefix when OutputDataConfig says CompressionType NONE."""
    packed = job.spec["OutputDataConfig"]["CompressionType"] == "GZIP"
    return f"{output_uri(job)}/model.tar.gz" if packed else f"{output_uri(job)}/model/"


async def upload_model(objects: Objects, job: Record, folders: list[Path]) -> None:
    """`folders` are /opt/ml of the instances; where two left the same file, the first instance's is kept."""
    files = _merged(folders, "model")
    if job.spec["OutputDataConfig"]["CompressionType"] == "GZIP":
        await _upload_tar(objects, model_uri(job), files, folders[0] / "model.tar.gz")
    else:
        bucket, prefix = bucket_and_key(model_uri(job))
        for name, path in files.items():
            await objects.put_file(bucket, f"{prefix}{name}", path)


async def upload_output(objects: Objects, job: Record, folders: list[Path]) -> None:
    """output.tar.gz, when there is anything in /opt/ml/output/data."""
    files = _merged(folders, "output/data")
    if files:
        await _upload_tar(objects, f"{output_uri(job)}/output.tar.gz", files, folders[0] / "output.tar.gz")


def _merged(folders: list[Path], name: str) -> dict[str, Path]:
    return {
        str(path.relative_to(folder / name)): path for folder in reversed(folders) for path in files_below(folder, name)
    }


async def _upload_tar(objects: Objects, uri: str, files: dict[str, Path], target: Path) -> None:
    await asyncio.to_thread(_pack, files, target)
    bucket, key = bucket_and_key(uri)
    await objects.put_file(bucket, key, target, content_type="application/x-gzip")


def _pack(files: dict[str, Path], target: Path) -> None:
    with tarfile.open(target, "w:gz", compresslevel=_LEVEL) as tar:
        for name, path in sorted(files.items()):
            tar.add(path, arcname=name, recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


@dataclass(slots=True)
class Checkpoints:
    """Keeps the checkpoint folder of one instance and its S3 prefix alike."""

    objects: Objects
    ml: Path
    local: str  # the folder, below `ml`
    bucket: str
    prefix: str
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> size and mtime when it was sent

    @classmethod
    def of(cls, objects: Objects, config: dict[str, Any], ml: Path) -> "Checkpoints":
        bucket, prefix = bucket_and_key(config["S3Uri"])
        local = str(Path(config.get("LocalPath", CHECKPOINTS)).relative_to("/opt/ml"))
        return cls(objects, ml, local, bucket, f"{prefix.rstrip('/')}/" if prefix else "")

    async def restore(self) -> None:
        """Bring what an earlier job left under the prefix. The files are the job's own: it may overwrite them."""
        after, folder = "", self.ml / self.local
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                step = await self.objects.list(self.bucket, self.prefix, after=after)
            except NoSuchObjectError:
                return
            wanted = [info for info in step if not info.key.endswith("/")]
            await self.objects.place(
                [Placement(self.bucket, info.key, folder / info.key.removeprefix(self.prefix)) for info in wanted]
            )
            await asyncio.to_thread(copy_links, folder)
            if len(step) < 1000:
                return
            after = step[-1].key

    async def send(self) -> None:
        """Upload what is new or changed since the last time."""
        for path in list(files_below(self.ml, self.local)):
            name = str(path.relative_to(self.ml / self.local))
            try:
                stat = path.lstat()
                mark = stat.st_size, stat.st_mtime_ns
                if self.sent.get(name) == mark:
                    continue
                data = await asyncio.to_thread(read_below, self.ml, f"{self.local}/{name}")
            except OSError:
                continue  # the job has replaced it meanwhile: the next round sees the new one
            await self.objects.put(self.bucket, f"{self.prefix}{name}", data)
            self.sent[name] = mark
