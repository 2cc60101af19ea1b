"""What a training job leaves in S3: the model, the output data, and checkpoints while it runs.

Every object has a key made from the job's name alone, so that uploading twice after a crash leaves one.
"""

import asyncio
import tarfile
from pathlib import Path

from salvia.ports.objects import Objects
from salvia.ports.table import Record
from salvia.services.sagemaker.runs.artifacts import draft, merged, upload_files
from salvia.services.sagemaker.runs.channels import bucket_and_key
from salvia.services.sagemaker.runs.mirror import Mirror
from salvia.services.sagemaker.training.request import CHECKPOINTS

_USUAL_VOLUME = 30  # GiB, where the job names none
_LEVEL = 1  # of gzip: models are mostly incompressible numbers; level 6 took 3x the time for 2 % less


def output_uri(job: Record) -> str:
    return f"{job.spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output"


def model_uri(job: Record) -> str:
    """Where the model is, or will be: a tar, or a prefix when OutputDataConfig says CompressionType NONE."""
    packed = job.spec["OutputDataConfig"]["CompressionType"] == "GZIP"
    return f"{output_uri(job)}/model.tar.gz" if packed else f"{output_uri(job)}/model/"


def volume(job: Record) -> int:
    """Bytes of the volume that the job asked for."""
    asked: int = job.spec["ResourceConfig"].get("VolumeSizeInGB") or _USUAL_VOLUME
    return asked << 30


async def upload_model(objects: Objects, job: Record, folders: list[Path]) -> None:
    """`folders` are /opt/ml of the instances; where two left the same file, the first instance's is kept.

    Raises ArtifactError.
    """
    if job.spec["OutputDataConfig"]["CompressionType"] == "GZIP":
        files = await asyncio.to_thread(merged, folders, "model", volume(job))
        await _upload_tar(objects, model_uri(job), files, folders[0])
    else:
        await upload_files(objects, folders, "model", model_uri(job), volume(job))


async def upload_output(objects: Objects, job: Record, folders: list[Path]) -> None:
    """output.tar.gz, when there is anything in /opt/ml/output/data. Raises ArtifactError."""
    files = await asyncio.to_thread(merged, folders, "output/data", volume(job))
    if files:
        await _upload_tar(objects, f"{output_uri(job)}/output.tar.gz", files, folders[0])


async def _upload_tar(objects: Objects, uri: str, files: dict[str, Path], ml: Path) -> None:
    target = draft(ml)
    try:
        await asyncio.to_thread(_pack, files, target)
        bucket, key = bucket_and_key(uri)
        await objects.put_file(bucket, key, target, content_type="application/x-gzip")
    finally:
        target.unlink(missing_ok=True)


def _pack(files: dict[str, Path], target: Path) -> None:
    with tarfile.open(target, "w:gz", compresslevel=_LEVEL) as tar:
        for name, path in sorted(files.items()):
            tar.add(path, arcname=name, recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode &= 0o777
    return member


def checkpoints(objects: Objects, job: Record, ml: Path) -> Mirror:
    """The checkpoint folder of the instance whose /opt/ml is `ml`."""
    config = job.spec["CheckpointConfig"]
    bucket, prefix = bucket_and_key(config["S3Uri"])
    local = str(Path(config.get("LocalPath", CHECKPOINTS)).relative_to("/opt/ml"))
    return Mirror(objects, ml, local, bucket, f"{prefix.rstrip('/')}/" if prefix else "", volume(job))
