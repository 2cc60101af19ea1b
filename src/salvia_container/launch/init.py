"""Pid 1 of a run: makes its view of the machine, passes SIGTERM on, and outlasts the user's process by a moment.

It and the process that will become user code are there before anybody asks for a run: they wait for their orders, each on a
socket to the supervisor. End of file on it means that the supervisor is gone.
"""

import contextlib
import importlib
import os
import resource
import select
import signal
import socket
from dataclasses import dataclass
from typing import NoReturn

from salvia_container.launch import kernel, requests, root, sandbox
from salvia_container.launch.requests import Request

_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_FEWEST_PROCESSES, _PROCESSES_PER_CPU = 4096, 512  # and threads
GO_ON, READY = b"go on", b"ready"


@dataclass(frozen=True, slots=True)
class Orders:
    """The two ends of the sockets to init and to the user's process."""

    to_init: socket.socket
    of_init: socket.socket
    to_user: socket.socket
    of_user: socket.socket

    @classmethod
    def make(cls) -> "Orders":
        init, user = (socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2))
        return cls(*init, *user)


def run(orders: Orders) -> Request:
    """Returns in the process that becomes user code, when it shall; pid 1 itself stays in here.

    Pid 1 waits for GO_ON and for the request. It answers READY when the run's view is made, then the wait status of the user's process as decimal text; or, instead
    of either, a sentence that says what failed.
    """
    orders.to_init.close()
    try:
        kernel.die_with_parent()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        sandbox.enter()
        orders.of_init.recv(16)  # GO_ON: the user's process shall be born in this one's control group
        user = os.fork()
        if user == 0:
            return _become_user(orders)
        orders.to_user.close()
        orders.of_user.close()
        request, log = requests.receive_order(orders.of_init)
        sandbox.furnish(request)
        for plan in os.listdir(root.FEED):
            if plan.endswith(".json") and os.fork() == 0:
                _feed(plan, user, request, log)
        orders.of_init.send(READY)
        uid = request.uid if os.getuid() == 0 else os.getuid()
        kernel.drop_privileges(uid, uid)
        kernel.set_dumpable(False)
        kernel.die_with_parent()
        if not select.select([orders.of_init], [], [], 0)[0]:  # else the supervisor died before the line above
            _wait_for(user, orders.of_init)
    except BaseException as error:  # noqa: BLE001 - pid 1 must end here, and say why
        with contextlib.suppress(OSError):
            orders.of_init.send(f"the sandbox could not be made: {error}".encode())
    os._exit(0)


def _become_user(orders: Orders) -> Request:
    os.setsid()
    orders.of_init.close()
    orders.to_user.close()
    request, log = requests.receive_order(orders.of_user)
    try:
        if request.isolated:
            sandbox.leave_network()
        nothing = os.open("/dev/null", os.O_RDONLY)
        for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, target)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        _limit_processes(request.threads)
        uid = request.uid if os.getuid() == 0 else os.getuid()
        kernel.drop_privileges(uid, uid)
        kernel.keep_to_own_sockets()
        kernel.set_dumpable(True)  # else it could not read its own /proc/self
    except OSError as error:
        os.write(log, f"salvia: {error.strerror}\n".encode())
        os._exit(requests.NOT_STARTED)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return request


def _feed(plan: str, user: int, request: Request, log: int) -> NoReturn:
    """Feeds a Pipe channel as the run's own user until init ends; data that cannot be read ends the run."""
    code = 1
    try:
        os.setsid()
        os.dup2(log, 2)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        uid = request.uid if os.getuid() == 0 else os.getuid()
        kernel.drop_privileges(uid, uid)
        kernel.die_with_parent()
        feeding = importlib.import_module("salvia_container.feed")  # most runs have no use for it
        feeding.feed_run(f"{root.FEED}/{plan}", feeding.Places.of(sandbox.ML), lambda: _kill(user))
        code = 0
    finally:
        os._exit(code)


def _kill(user: int) -> None:
    for kill in (os.killpg, os.kill):  # its children too, where it has begun
        with contextlib.suppress(OSError):
            kill(user, signal.SIGKILL)


def _limit_processes(threads: int) -> None:
    """A fork bomb must leave process numbers to the rest of the machine. The kernel counts by user: see docs/runs.md."""
    most = max(_FEWEST_PROCESSES, _PROCESSES_PER_CPU * threads)
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _wait_for(user: int, answer: socket.socket) -> None:
    """The run ends with the user's process; once asked to stop, also its children may finish first, as they were asked too."""
    asked = False

    def pass_on(number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(user, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    ended = -1
    while ended < 0 or (asked and _has_members(user)):
        pid, how = os.waitpid(-1, 0)
        if pid == user:
            ended = how
    answer.send(str(ended).encode())


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
