"""The template process of an environment: it has the heavy modules imported and waits to be forked into runs.

It holds no secret and runs no user code; it must never enter an OpenMP region, for what it forks could not enter one then.
It ends when the server that started it closes the connection, or dies. Runs that it forked do not depend on it.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import tempfile
import time

from salvia_container.launch import kernel
from salvia_container.launch.become import become
from salvia_container.launch.requests import Request
from salvia_container.launch.supervise import supervise

_MAX_FAILURES = 5  # supervisors in a row that could not even begin to wait


def main() -> None:
    """Arguments: the descriptor of the connection, that of the folder of control groups or -1, and modules: a,b,c."""
    connection, groups = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    began = time.perf_counter()
    for name in filter(None, sys.argv[3].split(",")):
        _import(name)
    tempfile.tempdir = None  # which a library may have had chosen, when it is for each run to say
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are not waited for
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until a supervisor is ready to hear it
    gc.collect()
    gc.freeze()
    kernel.let_go_of_code()
    connection.send(json.dumps(_describe(time.perf_counter() - began)).encode())
    request = _keep_one_waiting(connection, groups)
    if request is not None:
        become(request)


def _import(name: str) -> None:
    """`package.*` means a package with its submodules, but not its __main__, nor what needs packages that this image has not."""
    package = importlib.import_module(name.removesuffix(".*"))
    if not name.endswith(".*"):
        return
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(module.name)


def _describe(seconds: float) -> dict[str, float]:
    resident = int(kernel.read_text("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"seconds": seconds, "resident": resident, "threads": len(os.listdir("/proc/self/task"))}


def _keep_one_waiting(connection: socket.socket, groups: int) -> Request | None:
    """There is always one supervisor, with its run's processes made, that waits for a run; no template ever sees one.

    Returns in a forked process that is to become user code, or with None when the server has gone.
    """
    failures = 0
    while failures < _MAX_FAILURES and not _is_closed(connection):
        told, taken = os.pipe2(os.O_CLOEXEC)
        if os.fork() == 0:
            os.close(told)
            return supervise(connection, groups, taken)
        os.close(taken)
        failures = 0 if os.read(told, 1) else failures + 1  # end of file: it was killed, or there is no server
        os.close(told)
    return None


def _is_closed(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLHUP)
    return bool(poll.poll(0))
