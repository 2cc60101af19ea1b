"""A run's own view of the machine: its namespaces and mounts."""

import contextlib
import os
import resource
import socket

from salvia_container.launch import kernel, root
from salvia_container.launch.requests import Request

ML = "/opt/ml"
_OOM_SCORE = b"500"  # the kernel should take a job before it takes the server


def enter() -> None:
    """All that does not depend on the run. Called as pid 1 of a new pid namespace, in the template's file system."""
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC | kernel.NEW_NAMES)
    no_programs = kernel.NO_SETUID | kernel.NO_EXEC
    kernel.mount("devpts", "/dev/pts", "devpts", no_programs, "newinstance,ptmxmode=0666,mode=0620")
    kernel.mount("proc", "/proc", "proc", no_programs | kernel.NO_DEVICES)
    kernel.new_keyring()
    kernel.drop_bounding_set()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, _OOM_SCORE)
        os.close(score)


def furnish(request: Request) -> None:
    """What is the run's own. From here on nothing else of the folder of runs can be seen."""
    own = f"{root.RUNS}/{request.name}"
    kernel.bind(f"{own}/ml", ML)
    for path in request.read_only:
        kernel.bind(f"{ML}/{path}", f"{ML}/{path}", read_only=True)
    if os.path.isdir(f"{own}/packages"):
        kernel.bind(f"{own}/packages", root.PACKAGES)
    if os.path.isdir(f"{own}/feed"):
        kernel.bind(f"{own}/feed", root.FEED, read_only=True)
    kernel.bind(f"{own}/tmp", "/tmp")  # noqa: S108 - the run's own
    for name in root.RUN_FILES:
        kernel.bind(f"{own}/etc/{name}", f"/etc/{name}", read_only=True)
    shared = f"mode=1777,size={request.memory}"
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, shared)  # noqa: S108
    kernel.unmount(root.RUNS)
    socket.sethostname(request.hostname)


def leave_network() -> None:
    """Only a loopback of its own is left to the calling process."""
    kernel.unshare(kernel.NEW_NETWORK)
    kernel.raise_loopback()
