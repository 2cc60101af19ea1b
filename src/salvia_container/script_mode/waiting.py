"""A process that waits to become the user's script: forked before the toolkit has configured anything, with the heavy modules loaded.

A script that it runs sees what it would see in an interpreter of its own, which would take a second to load them.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from salvia_container.launch.become import leave, run_script

_LONGEST = 1 << 16


class WaitingProcess:
    """Runs one script at most."""

    def __init__(self) -> None:
        """Forks. Call it before there are threads, log handlers or open files that a script should not inherit."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        template = set(sys.modules)
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            _wait(theirs, template)
        theirs.close()
        self._orders = ours
        self._used = False

    @property
    def free(self) -> bool:
        return not self._used

    def start(self, script: str, arguments: Sequence[str], variables: Mapping[str, str], cwd: str, stderr: int) -> None:
        """`python script arguments`, from the folder `cwd`, with the descriptor `stderr` as its standard error."""
        self._used = True
        order = {"script": script, "arguments": list(arguments), "variables": dict(variables), "cwd": cwd}
        socket.send_fds(self._orders, [b"go"], [stderr])
        self._orders.sendall(json.dumps(order).encode())
        self._orders.close()

    def wait(self) -> int:
        """The exit code; a signal's number is negative."""
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _wait(orders: socket.socket, template: set[str]) -> NoReturn:
    message, descriptors, _, _ = socket.recv_fds(orders, 2, 1)
    if not message:
        os._exit(0)  # there was nothing for it to do
    text = b""
    while data := orders.recv(_LONGEST):
        text += data
    orders.close()
    order = json.loads(text)
    os.dup2(descriptors[0], 2)
    os.close(descriptors[0])
    signal.set_wakeup_fd(-1)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["variables"])
    leave(run_script(order["script"], order["arguments"]), template)
