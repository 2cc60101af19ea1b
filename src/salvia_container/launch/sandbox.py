"""A run's own view of the machine: its namespaces and mounts, and the init process that everything in it hangs on."""

import contextlib
import os
import resource
import select
import signal
import socket
from pathlib import Path

from salvia_container.launch import kernel, root
from salvia_container.launch.request import Request

ML = "/opt/ml"
_PROC_FLAGS = kernel.NO_SETUID | kernel.NO_DEVICES | kernel.NO_EXEC
_OOM_SCORE = 500  # the kernel should take a job before it takes the server


def enter(request: Request) -> None:
    """Called as pid 1 of a new pid namespace, in a copy of the template's file system."""
    network = kernel.NEW_NETWORK if request.isolated else 0
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC | kernel.NEW_NAMES | network)
    own = f"{root.RUNS}/{request.name}"
    kernel.bind(f"{own}/ml", ML)
    for path in request.read_only:
        kernel.bind(f"{ML}/{path}", f"{ML}/{path}", read_only=True)
    kernel.bind(f"{own}/tmp", "/tmp")  # noqa: S108 - the run's own
    for name in root.RUN_FILES:
        kernel.bind(f"{own}/etc/{name}", f"/etc/{name}", read_only=True)
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, f"mode=1777,size={request.memory}")  # noqa: S108
    kernel.mount(
        "devpts", "/dev/pts", "devpts", kernel.NO_SETUID | kernel.NO_EXEC, "newinstance,ptmxmode=0666,mode=0620"
    )
    kernel.mount("proc", "/proc", "proc", _PROC_FLAGS)
    kernel.unmount(root.RUNS)
    socket.sethostname(request.hostname)
    if request.isolated:
        kernel.raise_loopback()
    kernel.new_keyring()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))


def run_init(request: Request, log: int, go: int, status: int) -> None:
    """Pid 1 of a run: returns in the forked process that shall become user code; itself it stays and never returns.

    Waits for `go` (end of file: the supervisor is gone), then writes to `status` the wait status of the user's process, as
    decimal text, or a sentence when there could be none. SIGTERM is passed on to the user's process group.
    """
    try:
        user = _start(request, log, go)
    except OSError as error:
        os.write(status, f"the sandbox could not be made: {error.strerror}".encode())
        os._exit(1)
    if user == 0:
        return
    if select.select([go], [], [], 0)[0]:
        os._exit(1)  # the supervisor died before this process asked to die with it
    _wait_for(user, status)


def _start(request: Request, log: int, go: int) -> int:
    """The pid of the user's process; 0 in that process."""
    kernel.die_with_parent()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    enter(request)
    if not os.read(go, 1):
        os._exit(1)
    uid = request.uid if os.getuid() == 0 else os.getuid()
    user = os.fork()
    if user == 0:
        _become_user(uid, log)
        return 0
    kernel.drop_privileges(uid, uid)
    kernel.set_dumpable(False)
    kernel.die_with_parent()
    return user


def _become_user(uid: int, log: int) -> None:
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDONLY)
    for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    kernel.drop_privileges(uid, uid)
    kernel.set_dumpable(True)  # else it could not read its own /proc/self
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _wait_for(user: int, status: int) -> None:
    """The run ends with the user's process; once asked to stop, also its children may finish first, as they were asked too."""
    asked = False

    def pass_on(number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        try:
            os.killpg(user, number)
        except ProcessLookupError:
            with contextlib.suppress(ProcessLookupError):  # before its setsid, or after its end
                os.kill(user, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    ended = -1
    while ended < 0 or (asked and _has_members(user)):
        pid, how = os.waitpid(-1, 0)
        if pid == user:
            ended = how
    os.write(status, str(ended).encode())
    os._exit(0)


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
