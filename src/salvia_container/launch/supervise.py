"""The supervisor of one run: claims it, starts it, passes on the wish to stop, and writes down how it ended.

It outlives the server and needs nothing of it. When it is killed, the run dies with it: its init has asked the kernel so.
"""

import contextlib
import json
import os
import select
import signal
import time
import traceback

from salvia_container.launch import kernel, record, root, sandbox
from salvia_container.launch.memory import Group, Watch
from salvia_container.launch.request import Descriptors, Request, read

NOT_STARTED = 125  # the exit code of a run whose user code could not be started, as Docker has it
_POLL_SECONDS = 1.0  # how often it looks for a stop wish whose signal was lost


def supervise(given: Descriptors) -> Request:
    """Returns only in the process that shall become user code; the supervisor itself ends with the run."""
    os.setsid()
    request = read(given.request)
    claim = record.claim(given.folder)
    if claim is None or _ended_already(given.folder):
        os._exit(0)
    try:
        start = _Run(request, given, claim).start()
    except BaseException:  # noqa: BLE001 - whatever it was, it must be written down, or nobody would know
        _fail(given, traceback.format_exc(limit=-3))
    if start is None:
        os._exit(0)
    return start


def _ended_already(folder: int) -> bool:
    """A run that was stopped before it was launched ends without having started."""
    if record.read_stop(folder) is not None:
        record.write_ending(folder, record.Ending(-signal.SIGTERM, time.time()))
    return record.read_ending(folder) is not None


def _fail(given: Descriptors, reason: str) -> None:
    os.write(given.log, f"{reason.strip()}\n".encode())
    record.write_ending(given.folder, record.Ending(NOT_STARTED, time.time(), "NotStarted"))
    os._exit(1)


class _Run:
    def __init__(self, request: Request, given: Descriptors, claim: int) -> None:
        self._request, self._given, self._claim = request, given, claim
        self._init = 0
        self._deadline: float | None = None
        self._cause = ""

    def start(self) -> Request | None:
        """The request, in the process that becomes user code; None in the supervisor, when the run has ended."""
        wake = self._listen()
        self._prepare_folder()
        memory = self._limit_memory()
        go_read, go_write = os.pipe2(os.O_CLOEXEC)
        status_read, status_write = os.pipe2(os.O_CLOEXEC)
        kernel.unshare(kernel.NEW_PIDS)
        self._init = os.fork()
        if self._init == 0:
            signal.set_wakeup_fd(-1)
            for descriptor in (go_write, status_read, *wake, self._claim, self._given.folder, self._given.reply):
                os.close(descriptor)
            sandbox.run_init(self._request, self._given.log, go_read, status_write)
            return self._request
        os.close(go_read)
        os.close(status_write)
        memory.add(self._init)
        # Nothing may run that a power failure would forget to have run.
        os.fsync(self._claim)
        os.fsync(self._given.folder)
        os.write(go_write, b"1")
        self._reply()
        status = self._watch(status_read, wake[0], memory)
        self._end(status, memory)
        return None

    def _listen(self) -> tuple[int, int]:
        """SIGUSR1 means: there is a new wish in the folder."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return read_end, write_end

    def _prepare_folder(self) -> None:
        own = f"{root.RUNS}/{self._request.name}"
        uid = self._request.uid if os.getuid() == 0 else os.getuid()
        scratch = f"{own}/tmp"  # noqa: S108 - the run's own
        for folder in (scratch, f"{own}/etc"):
            os.makedirs(folder, exist_ok=True)
        os.chmod(scratch, 0o1777)  # noqa: S103 - as /tmp is everywhere
        hosts = {"localhost": "127.0.0.1", "ip6-localhost": "::1"} | self._request.hosts
        texts = {
            "hosts": "".join(f"{address}\t{host}\n" for host, address in hosts.items()),
            "hostname": f"{self._request.hostname}\n",
            "passwd": f"root:x:0:0:root:/root:/bin/sh\nsagemaker:x:{uid}:{uid}:SageMaker:/tmp:/bin/bash\n",
            "group": f"root:x:0:\nsagemaker:x:{uid}:\n",
        }
        for name, text in texts.items():
            with open(f"{own}/etc/{name}", "w") as file:
                file.write(text)
        if os.getuid() == 0:
            give_away(f"{own}/ml", uid, {f"{own}/ml/{path}" for path in self._request.read_only})

    def _limit_memory(self) -> Group | Watch:
        if self._given.group >= 0:
            with contextlib.suppress(OSError):
                return Group(self._given.group, self._request.name, self._request.memory)
        return Watch(self._request.memory)

    def _reply(self) -> None:
        with contextlib.suppress(OSError):  # the server may be gone: the claim says the same
            os.write(self._given.reply, json.dumps({"pid": os.getpid()}).encode())
        os.close(self._given.reply)

    def _watch(self, status: int, wake: int, memory: Group | Watch) -> str:
        """What init wrote before it ended: "" when it was killed."""
        poll = select.poll()
        poll.register(status, select.POLLIN)
        poll.register(wake, select.POLLIN)
        watching = isinstance(memory, Watch)
        while True:
            self._obey()
            ready = dict(poll.poll(self._patience(memory.interval)))
            if status in ready:
                return os.read(status, 4096).decode()
            if wake in ready:
                os.read(wake, 4096)
            if watching and not self._cause and memory.exceeded():
                self._cause = "OutOfMemory"
                self._kill()

    def _patience(self, interval: float) -> float:
        """Milliseconds until there is something to do anyway."""
        seconds = min(interval, _POLL_SECONDS)
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._deadline - time.monotonic()))
        return seconds * 1000 + 1

    def _obey(self) -> None:
        grace = record.read_stop(self._given.folder)
        if grace is None:
            return
        now = time.monotonic()
        if self._deadline is None:
            os.kill(self._init, signal.SIGTERM)
            self._deadline = now + grace
        self._deadline = min(self._deadline, now + grace)
        if now >= self._deadline:
            self._kill()

    def _kill(self) -> None:
        os.kill(self._init, signal.SIGKILL)  # not yet waited for, so the number is still its own

    def _end(self, status: str, memory: Group | Watch) -> None:
        os.waitpid(self._init, 0)  # returns when the last process of its namespace is gone
        if status and not status.lstrip("-").isdigit():
            _fail(self._given, f"salvia: {status}")
        exit_code = os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL
        if isinstance(memory, Group) and exit_code and memory.exceeded():
            self._cause = "OutOfMemory"
        record.write_ending(self._given.folder, record.Ending(exit_code, time.time(), self._cause))
        memory.remove()


def give_away(folder: str, uid: int, keep: set[str]) -> None:
    """Makes `folder` and what is in it the run's; what is in `keep` (other people's files, hard-linked) stays theirs."""
    os.chown(folder, uid, uid, follow_symlinks=False)
    for entry in os.scandir(folder):
        if entry.path in keep:
            continue
        if entry.is_dir(follow_symlinks=False):
            give_away(entry.path, uid, keep)
        else:
            os.chown(entry.path, uid, uid, follow_symlinks=False)
