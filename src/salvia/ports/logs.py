"""Log streams whose events are the lines of a file: what runs print, as CloudWatch Logs shows it."""

from pathlib import Path
from typing import Protocol


class RunLogs(Protocol):
    """Gives a run its log. The run's standard output *is* the file (O_APPEND); nothing copies lines.

    What clients see (GetLogEvents and the rest) is services/logs, over the same files.
    """

    async def open_file(self, account: str, region: str, group: str, stream: str) -> Path:
        """The file whose lines are the stream's events; group and stream are made when missing. Idempotent."""
        ...

    async def tail(self, account: str, region: str, group: str, stream: str, size: int) -> str:
        """The last `size` bytes, from the start of a line; "" when there is no such stream."""
        ...

    async def close_file(self, account: str, region: str, group: str, stream: str) -> None:
        """Nothing more will be written: the index of times may be completed and watching may end. Idempotent."""
        ...
