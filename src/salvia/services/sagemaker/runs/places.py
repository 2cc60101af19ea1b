"""Where objects stand as files: each below its folder, whatever its key says, and none in the way of another."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from salvia.ports.objects import Placement

_LONGEST_NAME, _LONGEST_PATH = 255, 3000  # bytes; Linux takes 255 and, with what stands before it, 4096


class ChannelError(Exception):
    """The data of a channel cannot be had; the text is fit for a FailureReason."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a channel and its path below the channel's folder."""

    bucket: str
    key: str
    path: str


def placements(items: Iterable[Item], folder: Path) -> list[Placement]:
    """Raises ChannelError when two of them, or one, cannot be files of the folder."""
    placed = [Placement(item.bucket, item.key, _inside(folder, item)) for item in items]
    files = {each.path: each.key for each in placed}
    for each in placed:
        for above in each.path.parents:
            if above == folder:
                break
            if above in files:
                raise ChannelError(
                    f"ClientError: Data download failed: {_short(files[above])} and {_short(each.key)} cannot both be files: "
                    "the one would be a folder of the other."
                )
    return placed


def _inside(folder: Path, item: Item) -> Path:
    """Keys may hold .. and empty parts; files may not leave the folder."""
    parts = [part for part in item.path.split("/") if part not in {"", ".", ".."}]
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if not parts or max(sizes) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_PATH or "\0" in item.path:
        raise ChannelError(
            f"ClientError: Data download failed: the key {_short(item.key)} cannot be the name of a file."
        )
    return folder.joinpath(*parts)


def _short(key: str) -> str:
    return repr(key if len(key) <= 200 else f"{key[:200]}...")
