"""`serve`: loads a model, keeps worker processes that answer for it, and hands each the connections that come."""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from salvia_container import log
from salvia_container.failure import UserError, run
from salvia_container.launch import threads
from salvia_container.serving import frames, heap
from salvia_container.serving.answering import Worker
from salvia_container.serving.handler import Handler
from salvia_container.training import BASE_PATH, cpus, failure_file

_READY, _CLOSED = b"+", b"-"  # what a worker says to its parent
_BACKLOG = 64


def serve(handler: Handler, base: Path | None = None) -> int:
    """Serves what stands below `base` (else $SM_BASE_PATH, else /opt/ml) until SIGTERM; returns the exit code of the process.

    A model that cannot be loaded ends it at once: its reason is the log's last line.
    """
    base = base or Path(os.environ.get("SM_BASE_PATH", BASE_PATH))
    parent = _Parent(handler, base)
    return run(parent.run, failure_file(base)) or parent.code


def number_of_workers() -> int:
    """SAGEMAKER_MODEL_SERVER_WORKERS, else one for each CPU. Raises UserError."""
    given = os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    if not given:
        return cpus()
    if not (given.isdigit() and int(given) > 0):
        raise UserError(f"SAGEMAKER_MODEL_SERVER_WORKERS must be a number of processes, at least 1, not {given!r}")
    return int(given)


@dataclass(slots=True)
class _Child:
    pid: int
    door: socket.socket
    ready: bool = False
    lines: int = 0


class _Parent:
    """Accepts connections and gives each to the worker that has fewest; a worker that dies is replaced.

    Where the model is shared, a worker is forked when there is a connection for it: an endpoint that few ask stays small.
    """

    def __init__(self, handler: Handler, base: Path) -> None:
        self._handler, self._base = handler, base
        self._children: dict[int, _Child] = {}  # by the descriptor of the door
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._poll = select.epoll()
        self._listening = False
        self._model: Any = None
        self.code = 0  # that of a worker that could not begin, which has said why

    def run(self) -> None:
        wanted = number_of_workers()
        if self._handler.shared:
            threads.limit(1)  # a pool of threads would not survive the fork, and whoever used it then would hang
            self._model = self._handler.load(self._base / "model")
        gc.collect()
        gc.freeze()  # what is there now stays shared with the workers
        with _signals() as told:
            self._poll.register(told, select.EPOLLIN)
            for _ in range(1 if self._handler.shared else wanted):
                self._start_one(wanted)
            stopping = False
            while not (stopping or self.code):
                for descriptor, _ in self._poll.poll():
                    if descriptor == told:
                        stopping = signal.SIGTERM in os.read(told, 64)
                    elif descriptor == self._listener.fileno():
                        self._accept(wanted)
                    elif descriptor in self._children:
                        self._hear(self._children[descriptor], wanted)
            self._drain()

    def _start_one(self, wanted: int) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become_worker(theirs, max(1, cpus() // wanted))
        theirs.close()
        self._children[ours.fileno()] = _Child(pid, ours)
        self._poll.register(ours, select.EPOLLIN)

    def _become_worker(self, door: socket.socket, share: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(
                signal.SIGTERM, lambda *_: None
            )  # the closed door tells it; what it executes shall hear the signal
            self._poll.close()
            self._listener.close()
            for child in self._children.values():
                child.door.close()
            os.environ["OMP_NUM_THREADS"] = str(share)
            threads.limit(share)
            heap.keep()
            code = run(lambda: self._work(door), failure_file(self._base))
        except BaseException:  # noqa: BLE001 - a worker must not go on as its parent
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _work(self, door: socket.socket) -> None:
        model = self._model if self._handler.shared else self._handler.load(self._base / "model")
        door.send(_READY)
        Worker(self._handler, model, door).run()

    def _hear(self, child: _Child, wanted: int) -> None:
        said = child.door.recv(64)
        if not said:
            code = self._bury(child)
            if child.ready:
                log.error(f"A worker process ended with exit code {code}; another takes its place")
                self._start_one(wanted)
            else:  # the next could not begin either
                self.code = code or 1
            return
        child.ready = child.ready or _READY in said
        child.lines -= said.count(_CLOSED)
        if not self._listening and all(each.ready for each in self._children.values()):
            self._listen(wanted)

    def _bury(self, child: _Child) -> int:
        self._poll.unregister(child.door)
        del self._children[child.door.fileno()]
        child.door.close()
        return os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])

    def _listen(self, wanted: int) -> None:
        path = self._base / frames.SOCKET
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        self._listener.listen(_BACKLOG)
        self._poll.register(self._listener, select.EPOLLIN)
        self._listening = True
        log.info(f"Serving with {wanted} worker{'s' if wanted > 1 else ''}")

    def _accept(self, wanted: int) -> None:
        line, _ = self._listener.accept()
        with line, contextlib.suppress(OSError):  # an asker or a worker that has gone meanwhile
            if self._handler.shared and len(self._children) < wanted and all(c.lines for c in self._children.values()):
                self._start_one(wanted)
            ready = [each for each in self._children.values() if each.ready or self._handler.shared]
            if not ready:
                return
            line.send(frames.hello(wanted, self._handler.together))
            child = min(ready, key=lambda each: each.lines)
            socket.send_fds(child.door, [b"+"], [line.fileno()])
            child.lines += 1

    def _drain(self) -> None:
        """The workers answer what has arrived; then all end."""
        self._listener.close()
        for child in self._children.values():
            child.door.shutdown(socket.SHUT_WR)
        for child in self._children.values():
            os.waitpid(child.pid, 0)


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that the numbers of signals can be read from."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield reader
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
