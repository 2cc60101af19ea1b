"""Builds the read-only file system that runs of one environment share, and starts the template process inside it.

Everything a run may see is named here; whatever is not (the data folder, homes, /var, /run, other runs) does not exist in
there. The folder of runs is shown to the template alone, under RUNS: each run gives it up when it enters its own view.
"""

import contextlib
import json
import os
import sys
from typing import Any

from salvia_container.launch import kernel

RUNS = "/run/salvia/runs"  # the folder of runs, until a run has taken its own part of it
ENVIRONMENT = "/opt/environment"  # the Python environment of the image
PACKAGES = "/opt/packages"  # each run's own virtual environment on top of that one, where `pip install` puts things
FEED = "/opt/feed"  # the plans and objects of a run's Pipe channels, see salvia_container.feed
CODE = "/opt/salvia"  # salvia_container and salvia_algorithms
JOB_UID = 1000  # as whom runs are seen when the server itself is an ordinary user

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "nix/store")
_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "host.conf",
    "java-11-openjdk",  # Debian keeps Java's security settings in here, and Java does not start without
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki",
    "protocols",
    "rpc",
    "services",
    "ssl",
    "timezone",
)
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "dev/ptmx": "pts/ptmx",
    "var/tmp": "/tmp",  # noqa: S108 - the run's own
    "var/run": "/run",
    "etc/mtab": "/proc/self/mounts",
    "etc/environment": "/tmp/environment",  # noqa: S108 - AWS's launchers of MPI add to it
}
RUN_FILES = ("hosts", "hostname", "passwd", "group")  # of /etc, each run's own


def main() -> None:
    """Enters the namespaces, builds the root and becomes COMMAND inside it.

    Arguments: PLAN COMMAND... . PLAN is JSON: `at` (an empty folder to build on), `runs`, `code` (folders of packages), `environment` (a folder or null),
    `as_user` (whether to do as an ordinary user even as root), `shown` (paths that stay where they are: the interpreter's prefix).
    """
    plan, command = json.loads(sys.argv[1]), sys.argv[2:]
    enter_namespaces(as_user=plan["as_user"])
    build(plan["at"], plan)
    kernel.pivot(plan["at"])
    kernel.restrict_top("/", kernel.READ_ONLY | kernel.NO_SETUID)
    os.execve(command[0], command, dict(os.environ))  # noqa: S606 - to become it is the point


def enter_namespaces(*, as_user: bool) -> None:
    """A mount namespace of our own; for an ordinary user, or a root that may not, inside a user namespace of our own."""
    try:
        if as_user:
            raise PermissionError  # noqa: TRY301 - what the kernel would have said
        kernel.unshare(kernel.NEW_MOUNTS)
    except PermissionError:
        enter_user_namespace()
        kernel.unshare(kernel.NEW_MOUNTS)
        kernel.keep_capabilities()
    kernel.make_mounts_private()


def enter_user_namespace() -> None:
    """Inside, this user is JOB_UID with every capability over what is made inside, and none outside."""
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.NEW_USERS)
    kernel.write_text("/proc/self/setgroups", "deny")
    kernel.write_text("/proc/self/uid_map", f"{JOB_UID} {uid} 1")
    kernel.write_text("/proc/self/gid_map", f"{JOB_UID} {gid} 1")


def build(at: str, plan: dict[str, Any]) -> None:
    kernel.mount("tmpfs", at, "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, "mode=0755,size=16m")
    os.umask(0o022)
    # AWS's training toolkit wants opt/ml/code when it is imported; each run mounts its own opt/ml over it.
    for folder in (
        "dev/pts",
        "dev/shm",
        "etc",
        "opt/feed",
        "opt/ml/code",
        "opt/packages",
        "proc",
        "run",
        "sys/devices/system/cpu",
        "tmp",
        "var",
    ):
        os.makedirs(f"{at}/{folder}", exist_ok=True)
    # For what libraries leave there when a template imports them; no run sees it.
    plain = kernel.NO_SETUID | kernel.NO_DEVICES
    kernel.mount("tmpfs", f"{at}/tmp", "tmpfs", plain, "mode=1777,size=16m")  # noqa: S108
    for name in _SYSTEM:
        _show_as_it_is(at, f"/{name}")
    for name in _ETC:
        _show_as_it_is(at, f"/etc/{name}")
    _write_etc(f"{at}/etc")
    for name in _DEVICES:
        _show(at, f"/dev/{name}", f"/dev/{name}", read_only=False, devices=True)
    for name, target in _LINKS.items():
        os.symlink(target, f"{at}/{name}")
    _show(at, "/sys/devices/system/cpu", "/sys/devices/system/cpu")
    for path in plan["shown"]:
        _show(at, path, path)
    for folder in plan["code"]:
        _show(at, folder, f"{CODE}/{os.path.basename(folder)}")
    if plan["environment"]:
        _show(at, plan["environment"], ENVIRONMENT)
        _add_daemons(at)
    _show(at, plan["runs"], RUNS, read_only=False)
    kernel.bind("/proc", f"{at}/proc")  # the template's; each run mounts its own over it


def _add_daemons(at: str) -> None:
    """Lays what the environment has in `sbin` over the host's /usr/sbin, where AWS's launchers look for sshd. Kernels before 5.11 let no ordinary user do so."""
    own, host = f"{at}{ENVIRONMENT}/sbin", os.path.realpath("/usr/sbin")
    if not os.path.isdir(own):
        return
    os.chdir(at)  # the kernel would take a colon or a comma in `at` for its own
    plain = kernel.READ_ONLY | kernel.NO_SETUID | kernel.NO_DEVICES
    with contextlib.suppress(OSError):
        kernel.mount("overlay", at + host, "overlay", plain, f"lowerdir={ENVIRONMENT[1:]}/sbin:{host[1:]}")


def _write_etc(etc: str) -> None:
    for name in RUN_FILES:
        kernel.write_text(f"{etc}/{name}", "")
    if not os.path.lexists(f"{etc}/nsswitch.conf"):
        kernel.write_text(f"{etc}/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    resolver = "/etc/resolv.conf"
    kernel.write_text(f"{etc}/resolv.conf", kernel.read_text(resolver) if os.path.exists(resolver) else "")


def _show_as_it_is(at: str, path: str) -> None:
    """Links stay links (/lib is one to usr/lib on most systems), the rest is shown read-only; what is missing is left out."""
    if os.path.islink(path) and not os.path.realpath(path).startswith(("/run/", "/var/", "/home/", "/root/")):
        os.makedirs(os.path.dirname(at + path), exist_ok=True)
        os.symlink(os.readlink(path), at + path)
    elif os.path.exists(path):
        _show(at, path, path)


def _show(at: str, source: str, target: str, *, read_only: bool = True, devices: bool = False) -> None:
    if _covered(source, target):
        return
    place = at + target
    if os.path.isdir(source):
        os.makedirs(place, exist_ok=True)
    elif os.path.exists(source):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if not os.path.exists(place):
            kernel.write_text(place, "")
    else:
        return
    kernel.bind(source, place, read_only=read_only, devices=devices)


def _covered(source: str, target: str) -> bool:
    """Below /usr everything is shown already, and that view cannot be added to."""
    return source == target and source.startswith("/usr/")
