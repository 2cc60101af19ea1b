"""The server's side of the matching process: starts it when it is needed, and never waits for it too long."""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_LOG = logging.getLogger(__name__)
_WORKER = Path(__file__).with_name("match_worker.py")
_LINE_SECONDS = 0.5  # CPU for all lines of one pattern in one request, then the line at work is given up
_ANSWER_SECONDS = 60.0  # wall clock for a whole request; then the process is replaced
_IDLE_SECONDS = 30.0  # then the process goes
_LARGEST_ANSWER = 256 << 20


class Matches(NamedTuple):
    """(line number, text of the first group) for each match; `slow` when the pattern was given up."""

    values: Sequence[tuple[int, str]]
    slow: bool


class Matcher:
    """One process for all jobs, one request at a time."""

    def __init__(self, line_seconds: float = _LINE_SECONDS) -> None:
        self._line_seconds = line_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def find(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[Matches]:
        """For each (pattern, lines); the patterns must be regular expressions."""
        async with self._turn:
            if self._idle:
                self._idle.cancel()
            request = json.dumps({"patterns": asked, "seconds": self._line_seconds}).encode() + b"\n"
            try:
                answer = await asyncio.wait_for(self._exchange(request), _ANSWER_SECONDS)
            except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError):
                _LOG.exception("matching metric definitions failed; these lines of the log give no metrics")
                self._end()
                return [Matches((), slow=True) for _ in asked]
            except BaseException:  # cancelled: the answer would be taken for that of the next request
                self._end()
                raise
            self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end)
            return answer

    async def close(self) -> None:
        if self._idle:
            self._idle.cancel()
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            await process.wait()

    async def _exchange(self, request: bytes) -> list[Matches]:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_WORKER)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LARGEST_ANSWER,
                env={},
            )
        if process.stdin is None or process.stdout is None:
            raise OSError("the matching process has no pipes")
        process.stdin.write(request)
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise OSError("the matching process ended")
        return [Matches([(number, text) for number, text in each["values"]], each["slow"]) for each in json.loads(line)]

    def _end(self) -> None:
        process, self._process = self._process, None
        if process and process.returncode is None:
            process.kill()
