"""Where the file of a log stream lies: one folder a group, with names that cannot leave it."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from salvia.ports.logs import GroupKey, StreamKey

_LONGEST = 180  # of an escaped name; file systems stop at 255 bytes


def group_folder(root: Path, key: GroupKey) -> Path:
    return root / _escaped(key.account) / _escaped(key.region) / _escaped(key.group)


def stream_file(root: Path, key: StreamKey) -> Path:
    """The file of lines; its index of times lies beside it as `.times`."""
    return group_folder(root, key.of_group) / f"{_escaped(key.stream)}.log"


def _escaped(name: str) -> str:
    """Different for different names: `quote` is reversible, and only a shortened name holds a bare "~"."""
    escaped = quote(name, safe="").replace("~", "%7E")
    if escaped.startswith("."):
        escaped = "%2E" + escaped[1:]
    if len(escaped) <= _LONGEST:
        return escaped
    return f"{escaped[:100]}~{hashlib.sha256(name.encode()).hexdigest()}"
