"""The supervisor of one run: claims it, starts it, passes on the wish to stop, and writes down how it ended.

It outlives the server and needs nothing of it. When it is killed, the run dies with it: its init has asked the kernel so.
It ends the run whose folder is deleted, for nobody else could: a server finds runs by their folders.
"""

import contextlib
import os
import select
import signal
import socket
import time
import traceback

from salvia_container.launch import init, kernel, packages, record, requests, root
from salvia_container.launch.memory import Group, Watch
from salvia_container.launch.requests import Descriptors, Request

_POLL_SECONDS = 1.0  # how often it looks for a stop wish whose signal was lost, and whether the run's folder is there


def supervise(connection: socket.socket, groups: int, taken: int) -> Request:
    """Waits for a run and supervises it; returns only in the process that shall become user code.

    Writes a byte to `taken` when there is a run, so that somebody else can wait for the next. `groups` is the folder of
    memory control groups, or -1.
    """
    os.setsid()
    supervisor = _Supervisor(groups)
    supervisor.prepare()
    if supervisor.init == 0:
        connection.close()
        os.close(taken)
        return init.run(supervisor.orders)
    supervisor.orders.of_init.close()
    supervisor.orders.of_user.close()
    given = requests.receive(connection)
    connection.close()
    if given is not None:
        supervisor.run(given, taken)
    supervisor.discard()
    os._exit(0)


class _Supervisor:
    def __init__(self, groups: int) -> None:
        self.orders = init.Orders.make()
        self.init = 0
        self._groups = groups
        self._memory: Group | Watch = Watch()
        self._deadline: float | None = None
        self._cause = ""

    def prepare(self) -> None:
        """All that does not depend on the run, so that it costs no run any time. Returns in init too."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # init and this process do wait for theirs
        kernel.unshare(kernel.NEW_PIDS)
        self.init = os.fork()
        if self.init == 0:
            os.close(read_end)
            os.close(write_end)
            return
        self._wake = read_end
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: None)  # there is a new wish in the folder
        if self._groups >= 0:
            with contextlib.suppress(OSError):
                self._memory = Group(self._groups, str(os.getpid()))
        # The kernel takes its time for this (10 ms), which is why it is done before there is a run.
        self._memory.add(self.init)
        self.orders.to_init.send(init.GO_ON)

    def run(self, given: Descriptors, taken: int) -> None:
        request = requests.read(given.request)
        claim = record.claim(given.folder)
        if claim is None or _ended_already(given.folder):
            _tell(taken)
            return
        try:
            status = self._start(request, given, claim, taken)
            if status == "":
                status = self._watch(given.folder, claim)
            if not record.is_gone(claim):
                self._end(status, given)
        except BaseException as error:  # noqa: BLE001 - whatever it was, it must be written down, or nobody would know
            traceback.print_exc()  # which the server keeps; the log is the client's
            self._fail(given, f"salvia: the run could not be started: {error}")

    def discard(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.init, 0)
        self._memory.remove()

    def _start(self, request: Request, given: Descriptors, claim: int, taken: int) -> str:
        """Lets user code begin; else returns a sentence that says why not."""
        _prepare_folder(request)
        record.keep_room(given.folder)
        requests.send_order(self.orders.to_init, given)
        self._memory.limit(request.memory)
        # Nothing may run that a power failure would forget to have run.
        os.fsync(claim)
        os.fsync(given.folder)
        answer = self.orders.to_init.recv(4096)
        if answer == init.READY:
            requests.send_order(self.orders.to_user, given)
        os.close(given.reply)
        _tell(taken)
        return "" if answer == init.READY else answer.decode() or "its init was killed"

    def _watch(self, folder: int, claim: int) -> str:
        """What init said before it ended: "" when it was killed, or shall be as nobody can ask for the run any more."""
        poll = select.poll()
        poll.register(self.orders.to_init, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not record.is_gone(claim):
            self._obey(folder)
            ready = {descriptor for descriptor, _ in poll.poll(self._patience())}
            if self.orders.to_init.fileno() in ready:
                return self.orders.to_init.recv(4096).decode()
            if self._wake in ready:
                os.read(self._wake, 4096)
            if not self._cause and isinstance(self._memory, Watch) and self._memory.exceeded():
                self._cause = "OutOfMemory"
                self._kill()
        return ""

    def _patience(self) -> float:
        """Milliseconds until there is something to do anyway."""
        seconds = min(self._memory.interval, _POLL_SECONDS)
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._deadline - time.monotonic()))
        return seconds * 1000 + 1

    def _obey(self, folder: int) -> None:
        grace = record.read_stop(folder)
        if grace is None:
            return
        now = time.monotonic()
        if self._deadline is None:
            os.kill(self.init, signal.SIGTERM)
            self._deadline = now + grace
        self._deadline = min(self._deadline, now + grace)
        if now >= self._deadline:
            self._kill()

    def _kill(self) -> None:
        os.kill(self.init, signal.SIGKILL)  # not yet waited for, so the number is still its own

    def _end(self, status: str, given: Descriptors) -> None:
        os.waitpid(self.init, 0)  # returns when the last process of its namespace is gone
        if status and not status.isdigit():
            self._fail(given, f"salvia: {status}")
            return
        exit_code = os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL
        if exit_code and isinstance(self._memory, Group) and self._memory.exceeded():
            self._cause = "OutOfMemory"
        if exit_code and not self._cause and record.is_full(given.folder):
            self._cause = "DiskFull"
        record.write_ending(given.folder, record.Ending(exit_code, time.time(), self._cause))

    def _fail(self, given: Descriptors, reason: str) -> None:
        with contextlib.suppress(OSError):  # a full disk
            os.write(given.log, f"{reason.strip()}\n".encode())
        record.write_ending(given.folder, record.Ending(requests.NOT_STARTED, time.time(), "NotStarted"))


def _tell(taken: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the template is dead: a new one will have supervisors of its own
        os.write(taken, b"1")


def _ended_already(folder: int) -> bool:
    """A run that was stopped before it was launched ends without having started."""
    if record.read_stop(folder) is not None:
        record.write_ending(folder, record.Ending(-signal.SIGTERM, time.time()))
    return record.read_ending(folder) is not None


def _prepare_folder(request: Request) -> None:
    own = f"{root.RUNS}/{request.name}"
    uid = request.uid if os.getuid() == 0 else os.getuid()
    scratch = f"{own}/tmp"  # noqa: S108 - the run's own
    for folder in (scratch, f"{own}/etc"):
        os.makedirs(folder, exist_ok=True)
    os.chmod(scratch, 0o1777)  # noqa: S103 - as /tmp is everywhere
    hosts = {"localhost": "127.0.0.1", "ip6-localhost": "::1"} | request.hosts
    texts = {
        "hosts": "".join(f"{address}\t{host}\n" for host, address in hosts.items()),
        "hostname": f"{request.hostname}\n",
        "passwd": f"root:x:0:0:root:/root:/bin/sh\nsagemaker:x:{uid}:{uid}:SageMaker:/tmp:/bin/bash\n",
        "group": f"root:x:0:\nsagemaker:x:{uid}:\n",
    }
    for name, text in texts.items():
        file = os.open(f"{own}/etc/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.write(file, text.encode())
        os.close(file)
    has_packages = packages.prepare(f"{own}/packages")
    if os.getuid() == 0:
        if has_packages:
            _give_away(f"{own}/packages", uid, set())
        _give_away(f"{own}/ml", uid, {f"{own}/ml/{path}" for path in request.read_only})


def _give_away(folder: str, uid: int, keep: set[str]) -> None:
    """Makes `folder` and what is in it the run's; what is in `keep` (other people's files, hard-linked) stays theirs."""
    os.chown(folder, uid, uid, follow_symlinks=False)
    for entry in os.scandir(folder):
        if entry.path in keep:
            continue
        if entry.is_dir(follow_symlinks=False):
            _give_away(entry.path, uid, keep)
        else:
            os.chown(entry.path, uid, uid, follow_symlinks=False)
