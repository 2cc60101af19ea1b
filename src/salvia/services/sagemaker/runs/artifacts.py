"""What a run left in its /opt/ml, gathered to be kept in S3: from all instances, and only what can be an object."""

import asyncio
import os
import tempfile
from pathlib import Path

from salvia.ports.objects import Objects
from salvia.services.sagemaker.runs.channels import bucket_and_key
from salvia.services.sagemaker.runs.left import files_below, open_up

_LONGEST_KEY = 1024  # bytes


class ArtifactError(Exception):
    """What the job left cannot be kept; the text is fit for a FailureReason."""


async def upload_files(objects: Objects, folders: list[Path], name: str, uri: str, most: int) -> None:
    """All files below `name` of the /opt/ml in `folders`, under the prefix `uri`; nothing larger than `most` bytes.

    Where two instances left the same file, the first one's is kept. Raises ArtifactError and NoSuchObjectError.
    """
    files = await asyncio.to_thread(merged, folders, name, most)
    bucket, prefix = bucket_and_key(uri)
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    for file in files:
        if not is_key(f"{prefix}{file}"):
            raise ArtifactError(
                f"ClientError: Artifact upload failed: {file[:200]!r} below /opt/ml/{name} cannot be the key of an S3 object, "
                "which is UTF-8 of at most 1024 bytes."
            )
    for file, path in files.items():
        await objects.put_file(bucket, f"{prefix}{file}", path)


def merged(folders: list[Path], name: str, most: int) -> dict[str, Path]:
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
        if is_endless(path.lstat(), most):
            raise ArtifactError(
                f"ClientError: Artifact upload failed: {path.name!r} is larger than the VolumeSizeInGB of the job."
            )
    return files


def is_endless(file: os.stat_result, most: int) -> bool:
    """A file that is mostly a hole takes no room to make, and would keep the server busy for days."""
    return file.st_size > most and file.st_blocks * 512 < file.st_size


def is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= _LONGEST_KEY
    except UnicodeEncodeError:
        return False


def draft(ml: Path) -> Path:
    """A new file beside /opt/ml, where no job can have put a link in its place."""
    descriptor, path = tempfile.mkstemp(prefix="artifact-", dir=ml.parent)
    os.close(descriptor)
    return Path(path)
