"""A folder of a run and an S3 prefix, kept alike while the run is there: checkpoints, and outputs that go up as they come."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from salvia.ports.objects import NoSuchObjectError, Objects
from salvia.services.sagemaker.runs.artifacts import draft, is_endless, is_key
from salvia.services.sagemaker.runs.channels import copy_links
from salvia.services.sagemaker.runs.left import copy_below, files_below, read_below
from salvia.services.sagemaker.runs.places import Item, placements

_IN_MEMORY = 8 << 20  # bytes of a file; larger ones are copied on the disk


@dataclass(slots=True)
class Mirror:
    """Keeps a folder of one instance and an S3 prefix alike. What it knows only saves work: a new one sends everything again."""

    objects: Objects
    ml: Path
    local: str  # the folder, below `ml`
    bucket: str
    prefix: str
    most: int  # bytes of the job's volume
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> size and mtime when it was sent

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
                if self.sent.get(name) == mark or is_endless(stat, self.most) or not is_key(self.prefix + name):
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
        copy = draft(self.ml)
        try:
            await asyncio.to_thread(copy_below, self.ml, below, copy)
            await self.objects.put_file(self.bucket, key, copy)
        finally:
            copy.unlink(missing_ok=True)
