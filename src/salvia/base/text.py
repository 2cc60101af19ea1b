"""Text that people are shown."""

import re

_PATH = re.compile(r"(?<![\w.:/~-])/(?:[\w.+@%~-]+/)+([\w.+@%~-]*)")


def without_paths(text: str) -> str:
    """`text` with each absolute path cut down to its last part: where things are on this machine is not for clients."""
    return _PATH.sub(r"\1", text)
