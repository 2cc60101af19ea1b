"""The files of a channel, in an order that is the same on every machine."""

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from salvia_container import log

FOLDER_LEVELS = 3


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file to read. `name` is its path below the channel, for messages. `content` is set for what came by a pipe."""

    path: Path
    name: str
    content: pa.Buffer | None = None

    def buffer(self) -> pa.Buffer:
        """The whole content; a file is mapped, not copied."""
        if self.content is not None:
            return self.content
        with pa.memory_map(str(self.path)) as mapped:
            return mapped.read_buffer()


def channel_files(folder: Path) -> list[DataFile]:
    """The files below `folder`, sorted by path: no hidden ones (`.x`, `_x`), no empty ones, none deeper than three levels."""
    found: list[DataFile] = []
    too_deep = False
    for root, folders, names in os.walk(folder, followlinks=True):
        below = Path(root).relative_to(folder)
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        if len(below.parts) + 1 >= FOLDER_LEVELS and folders:
            too_deep = True
            folders.clear()
        for name in names:
            path = Path(root, name)
            if not name.startswith((".", "_")) and path.is_file() and path.stat().st_size > 0:
                found.append(DataFile(path, str(below / name)))
    if too_deep:
        log.warning(
            f"The depth of folder {folder} exceed the limit {FOLDER_LEVELS}. Files in deeper sub dirs won't be loaded. "
            "Please adjust the folder structure accordingly."
        )
    return sorted(found, key=lambda file: file.name)


def piped(fifo: Path) -> list[DataFile]:
    """What one epoch of a pipe holds: the channel's objects, one after the other. Blocks until the writer is done."""
    content = fifo.read_bytes() if fifo.exists() else b""
    return [DataFile(fifo, fifo.name, pa.py_buffer(content))] if content else []
