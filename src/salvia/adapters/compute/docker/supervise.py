"""Looks after one container from its making to its end, in a process of its own that outlives the server.

It keeps the same files as the supervisor of a sandbox (salvia_container.launch.record), so that servers see no difference. Pipe
channels are fed by children of its own, through the FIFOs in the folder that the container sees as /opt/ml.
Arguments: SOCKET FOLDER LOG NAME; the container's configuration, as the API's CreateContainer takes it, comes by stdin.
"""

import contextlib
import glob
import json
import os
import select
import signal
import sys
import time
from typing import Any, NoReturn

from salvia.adapters.images.daemon import Daemon, DaemonError, Output
from salvia_container import feed
from salvia_container.launch import kernel, record
from salvia_container.launch.requests import NOT_STARTED

_POLL_SECONDS = 1.0
_SILENCE_SECONDS = 60.0  # without an answer of the daemon, until the run counts as lost


def main() -> None:
    path, folder_path, log_path, name = sys.argv[1:]
    configuration = json.load(sys.stdin)
    folder = os.open(folder_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    claim = record.claim(folder)
    answer = os.fdopen(1, "wb", closefd=True)
    if claim is not None:
        os.fsync(claim)
        os.fsync(folder)
    answer.close()  # the server waits for this: the run is somebody's
    if claim is None:
        return
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _Supervisor(Daemon(path), name, folder, claim, log).run(configuration)


class _Supervisor:
    def __init__(self, daemon: Daemon, name: str, folder: int, claim: int, log: int) -> None:
        self._daemon, self._name, self._folder, self._claim, self._log = daemon, name, folder, claim, log
        self._deadline: float | None = None
        self._killed = False

    def run(self, configuration: dict[str, Any]) -> None:
        if record.read_stop(self._folder) is not None:  # stopped before it was launched: it ends without having started
            record.write_ending(self._folder, record.Ending(-signal.SIGTERM, time.time()))
            return
        feeders: list[int] = []
        try:
            feeders = self._feed()
            ending = self._start_and_follow(configuration)
        except DaemonError as error:
            os.write(self._log, f"salvia: the container could not be started: {error}\n".encode())
            ending = record.Ending(NOT_STARTED, time.time(), "NotStarted")
        for feeder in feeders:
            os.kill(feeder, signal.SIGKILL)
        with contextlib.suppress(DaemonError):
            self._daemon.remove(self._name)  # before its end is known: what it left running is gone then
        if not record.is_gone(self._claim):
            record.write_ending(self._folder, ending)

    def _feed(self) -> list[int]:
        """Starts the feeders, which wait for their readers."""
        path = f"/proc/self/fd/{self._folder}"
        plans = glob.glob(f"{path}/feed/*{feed.SUFFIX}")
        places = feed.Places.of(f"{path}/ml") if plans else None  # before the container may change what is there
        feeders = []
        for plan in plans:
            feeders.append(os.fork())
            if not feeders[-1]:
                assert places is not None
                self._feed_channel(plan, places)
        return feeders

    def _feed_channel(self, plan: str, places: feed.Places) -> NoReturn:
        try:
            kernel.die_with_parent()
            os.umask(0)
            os.dup2(self._log, 2)
            feed.feed_run(plan, places, lambda: self._signal("SIGKILL"))
        finally:
            os._exit(0)

    def _start_and_follow(self, configuration: dict[str, Any]) -> record.Ending:
        """Raises DaemonError when it cannot be started."""
        self._daemon.remove(
            self._name
        )  # of a supervisor that died between its claim and now there can be none; of another data folder
        self._daemon.call("POST", "/containers/create", configuration, name=self._name)
        output = self._daemon.attach(self._name)
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: None)  # there is a new wish in the folder
        self._daemon.call("POST", f"/containers/{self._name}/start")
        heard = time.monotonic()
        while True:
            self._copy(output, read_end)
            output.close()
            try:  # the stream has ended: so has the container, or the daemon only
                state = (self._daemon.container(self._name) or {}).get("State")
                if state is None:
                    return record.Ending(-signal.SIGKILL, time.time(), "Lost")
                if not state["Running"]:
                    return _ending(state)
                heard = time.monotonic()
                output = self._daemon.attach(self._name)
            except DaemonError:
                if time.monotonic() - heard > _SILENCE_SECONDS:
                    return record.Ending(-signal.SIGKILL, time.time(), "Lost")
                time.sleep(_POLL_SECONDS)

    def _copy(self, output: Any, wake: int) -> None:
        """Copies what the container prints to the log until the stream ends, and obeys meanwhile."""
        frames = Output()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            self._obey()
            ready = {descriptor for descriptor, _ in poll.poll(self._patience())}
            if wake in ready:
                os.read(wake, 4096)
            if output.fileno() in ready:
                try:
                    data = output.recv(1 << 16)
                except OSError:
                    return
                if not data:
                    return
                _write(self._log, frames.feed(data))

    def _patience(self) -> float:
        """Milliseconds until there is something to do anyway."""
        if self._deadline is None or self._killed:
            return _POLL_SECONDS * 1000
        return max(0.0, min(_POLL_SECONDS, self._deadline - time.monotonic())) * 1000 + 1

    def _obey(self) -> None:
        grace = 0.0 if record.is_gone(self._claim) else record.read_stop(self._folder)
        if grace is None or self._killed:
            return
        now = time.monotonic()
        if self._deadline is None:
            self._signal("SIGTERM")
            self._deadline = now + grace
        self._deadline = min(self._deadline, now + grace)
        if now >= self._deadline:
            self._signal("SIGKILL")
            self._killed = True

    def _signal(self, name: str) -> None:
        with contextlib.suppress(DaemonError):  # it has just ended
            self._daemon.call("POST", f"/containers/{self._name}/kill", signal=name)


def _ending(state: dict[str, Any]) -> record.Ending:
    """Init passes a signal's death on as 128 and its number."""
    code = state["ExitCode"]
    code = 128 - code if 128 < code <= 128 + 64 else code
    cause = "OutOfMemory" if state.get("OOMKilled") and code else ""
    return record.Ending(-signal.SIGKILL if cause else code, time.time(), cause)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main()
