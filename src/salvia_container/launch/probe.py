"""Tries what a sandbox needs, in processes that are thrown away, and prints as JSON what the kernel said."""

import json
import os
import sys
from collections.abc import Callable

from salvia_container.launch import kernel, root, sandbox


def main() -> None:
    """Prints {attempt: reason why not, or ""}, and under "privileged" whether no user namespace was needed."""
    attempts: dict[str, Callable[[], None]] = {
        "user_namespaces": _enter_as_user,
        "mounts": _enter,
        "processes": _see_only_own_processes,
        "network": _leave_network,
    }
    found: dict[str, str | bool] = {name: _attempt(act) for name, act in attempts.items()}
    found["privileged"] = _attempt(lambda: kernel.unshare(kernel.NEW_MOUNTS)) == ""
    json.dump(found, sys.stdout)


def _enter_as_user() -> None:
    root.enter_namespaces(as_user=True)


def _enter() -> None:
    root.enter_namespaces(as_user=False)
    kernel.mount("tmpfs", "/dev", "tmpfs", kernel.NO_SETUID)


def _see_only_own_processes() -> None:
    root.enter_namespaces(as_user=False)
    kernel.unshare(kernel.NEW_PIDS)
    reason = _attempt(lambda: kernel.mount("proc", "/proc", "proc", kernel.NO_SETUID))
    if reason:
        raise OSError(0, reason)


def _leave_network() -> None:
    root.enter_namespaces(as_user=False)
    sandbox.leave_network()


def _attempt(act: Callable[[], None]) -> str:
    """Runs `act` in a process of its own; "" when it worked."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        reason = ""
        try:
            act()
        except OSError as error:
            reason = error.strerror or str(error)
        os.write(write_end, reason.encode())
        os._exit(0)
    os.close(write_end)
    with open(read_end) as pipe:
        reason = pipe.read()
    os.wait()
    return reason
