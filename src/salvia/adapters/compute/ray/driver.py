"""The server's end of the process that speaks with Ray.

That process is apart because Ray's library costs 100 MB and dozens of threads, and ends the process it is in when the head of
its cluster does not answer any more. It holds nothing: killed and started again, it finds everything at Ray and in the folders.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 3.0  # how old what is known of the cluster's size may be
_RETRY_SECONDS = 5.0


class Driver:
    """All methods may be called from any thread. `runs` is the folder of runs.

    `address` is what ray.init takes: "auto", or the HOST:PORT of the head.
    """

    def __init__(self, address: str, runs: Path) -> None:
        self._address, self._runs = address, runs
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stream: BinaryIO | None = None
        self._capacity: tuple[float, int] | None = None
        self._known = threading.Event()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="ray", daemon=True)
        self._keeper.start()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises ConnectionError when the cluster does not answer, RuntimeError with what Ray said when it refuses."""
        with self._lock:
            if self._stream is None or self._capacity is None:
                raise ConnectionError(f"the Ray cluster at {self._address} does not answer")
            return self._exchange(request)

    def capacity(self) -> tuple[float, int]:
        """CPUs and bytes of memory of all nodes, as they were some seconds ago. Raises ConnectionError before it is known."""
        if self._capacity is None:
            raise ConnectionError(f"the Ray cluster at {self._address} has not answered yet")
        return self._capacity

    def wait(self, seconds: float) -> bool:
        """Whether the cluster has answered by then."""
        return self._known.wait(seconds)

    def close(self) -> None:
        """The process ends; runs stay."""
        self._closing.set()
        with self._lock:
            self._drop()

    def _keep(self) -> None:
        """Has the process started again whenever it has ended, and knows the size of the cluster."""
        before = ""
        while not self._closing.is_set():
            patience, said = _LOOK_SECONDS, ""
            try:
                with self._lock:
                    if self._stream is None and not self._closing.is_set():
                        self._start()
                    if self._stream is not None:
                        found = self._exchange({"do": "look"})
                        self._capacity = float(found["cpus"]), int(found["memory"])
                        self._known.set()
            except (ConnectionError, RuntimeError) as error:
                said = str(error)
                patience = _RETRY_SECONDS
            if said not in {"", before}:  # once, not every few seconds
                log.warning("%s", said)
            before = said
            self._closing.wait(patience)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_SECONDS)
        self._complaints = os.memfd_create("stderr", os.MFD_CLOEXEC)
        arguments = [str(theirs.fileno()), self._address, str(self._runs)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "salvia.adapters.compute.ray.cluster", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # a Ctrl-C for the server is none of its business
            cwd="/",
        )
        theirs.close()
        self._stream = cast("BinaryIO", ours.makefile("rwb"))
        ours.close()

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._stream is not None
        try:
            self._stream.write(json.dumps(request).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except OSError:
            line = b""
        if not line:
            said = self._said()
            self._drop()
            raise ConnectionError(f"the Ray cluster at {self._address} does not answer: {said}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"Ray refused: {answer['error']}")
        return answer

    def _said(self) -> str:
        """The last line of what the process has complained of."""
        size = os.fstat(self._complaints).st_size
        return (
            os.pread(self._complaints, 2000, max(0, size - 2000)).decode(errors="replace").strip().rpartition("\n")[2]
        )

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(OSError):  # it says once more that what was written could not be sent
                stream.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            os.close(self._complaints)
