"""Runs inside a job and tries to get out of it: one JSON line for each attempt, {attempt: what it got, "" when nothing}.

Only the standard library. The one argument is a JSON file that says where things are on the host: `folders` and `files`
that are none of a job's business, the process `server`, the `secrets` to look for, and `linked`, a read-only channel.
"""

import contextlib
import ctypes
import errno
import json
import mmap
import os
import signal
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

TOLD: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
LINKED: str = TOLD["linked"]
MODEL = "/opt/ml/model"
libc = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_USERS = 0x20000, 0x10000000
BIND, REMOUNT, DETACH, PTRACE_ATTACH, SYS_OPEN_BY_HANDLE = 4096, 32, 2, 16, 304
# What is everybody's anyway, and too large to read.
SHOWN = {
    "/proc",
    "/sys",
    "/usr",
    "/dev",
    "/opt/environment",
    "/opt/salvia",
    sys.base_prefix,
    LINKED,
    "/opt/ml/input/data/told",
}


def got(attempt: Callable[[], object]) -> str:
    """What an attempt brought; "" when it was refused."""
    try:
        return str(attempt() or "")
    except (OSError, ValueError):
        return ""


def worked(attempts: dict[str, Callable[[], object]]) -> str:
    """The names of those that were not refused."""
    found = []
    for name, attempt in attempts.items():
        with contextlib.suppress(OSError, ValueError):
            attempt()
            found.append(name)
    return ", ".join(found)


def read_file(path: str) -> str:
    with open(path, "rb") as file:
        file.read(1)
    return f"read {path}"


def list_folder(path: str) -> str:
    return f"listed {path}: {os.listdir(path)[:3]}"


def all_got(attempts: list[Callable[[], object]]) -> str:
    return "; ".join(filter(None, map(got, attempts)))


def below(prefix: str) -> list[Callable[[], object]]:
    """Attempts on each file and folder of the host, as they would be called below `prefix`."""
    files: list[Callable[[], object]] = [partial(read_file, prefix + path) for path in TOLD["files"]]
    return files + [partial(list_folder, prefix + path) for path in TOLD["folders"]]


# ------------------------------------------------------------- reading


def the_hosts_files() -> str:
    return all_got(below(""))


def doors_of_other_processes() -> str:
    """/proc shows each process's root, folder, files, variables and memory."""
    found: list[Callable[[], object]] = []
    for pid in (1, TOLD["server"]):
        names = ("environ", "mem", "maps", "stack", "syscall", "io")
        found += below(f"/proc/{pid}/root") + below(f"/proc/{pid}/cwd")
        found += [partial(read_file, f"/proc/{pid}/{name}") for name in names]
        found += [partial(list_folder, f"/proc/{pid}/{name}") for name in ("fd", "root", "cwd")]
    return all_got(found)


def processes_of_others() -> str:
    strangers = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > os.getpid()]
    return f"sees {strangers}" if strangers else ""


def secrets_in_any_file() -> str:
    found = []
    for parent, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(parent, name) not in SHOWN]
        for path in (os.path.join(parent, name) for name in names):
            with contextlib.suppress(OSError):
                if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                    data = Path(path).read_bytes()
                    found += [path for secret in TOLD["secrets"] if secret.encode() in data]
    return f"found a secret in {found}" if found else ""


def secrets_in_its_variables() -> str:
    texts = [*os.environ.values(), Path("/proc/1/cmdline").read_text()]
    return "a variable holds a secret" if any(secret in text for secret in TOLD["secrets"] for text in texts) else ""


def inherited_files() -> str:
    kept = [name for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.lexists(f"/proc/self/fd/{name}")]
    return f"inherited {kept}" if kept else ""


def files_by_handle() -> str:
    """open_by_handle_at finds any file of a disk by its number: 2 is the root's."""
    handle = ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0\x02\0\0\0" + b"\0" * 64)
    found = libc.syscall(SYS_OPEN_BY_HANDLE, os.open("/opt/ml", os.O_RDONLY), handle, os.O_RDONLY)
    return f"opened the root of the disk: {os.listdir(found)}" if found >= 0 else ""


# ------------------------------------------------------------- writing


def change_of_stored_objects() -> str:
    """They are linked into the channel: whatever is done to them there is done to the object."""
    path = f"{LINKED}/big"
    opened = os.open(path, os.O_RDONLY)
    again = f"/proc/self/fd/{opened}"
    return worked({
        "write": lambda: open(path, "r+b"),
        "append": lambda: open(path, "ab"),
        "truncate": lambda: os.truncate(path, 0),
        "chmod": lambda: os.chmod(path, 0o777),
        "chown": lambda: os.chown(path, os.getuid(), os.getgid()),
        "utime": lambda: os.utime(path, (0, 0)),
        "unlink": lambda: os.unlink(path),
        "rename": lambda: os.rename(path, f"{MODEL}/big"),
        "replace": lambda: os.rename(__file__, path),
        "link": lambda: os.link(path, f"{MODEL}/link"),
        "link of what is open": lambda: os.link(again, f"{MODEL}/link", follow_symlinks=True),
        "open again": lambda: os.open(again, os.O_RDWR),
        "chmod of what is open": lambda: os.fchmod(opened, 0o777),
        "map": lambda: mmap.mmap(opened, 10, mmap.MAP_SHARED, mmap.PROT_WRITE | mmap.PROT_READ),
        "attribute": lambda: os.setxattr(path, "user.x", b"1"),
        "new file": lambda: open(f"{LINKED}/new", "w"),
        "move the channel": lambda: os.rename(LINKED, f"{LINKED}2"),
    })  # fmt: skip


def change_of_the_system() -> str:
    folders = ("/", "/usr", "/usr/bin", "/etc", "/opt", "/opt/environment", "/opt/salvia", "/run", "/var", "/dev")
    files = ("/etc/hosts", "/etc/passwd", "/usr/bin/env", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern")
    places = [*(f"{folder}/new" for folder in (*folders, sys.base_prefix)), *files]
    return worked({place: partial(open, place, "a") for place in places})


# ------------------------------------------------------------- other processes


def signals_to_the_server() -> str:
    return worked({each.name: partial(os.kill, TOLD["server"], each) for each in (signal.SIGTERM, signal.SIGKILL)})


def handle_on_the_server() -> str:
    return worked({"pidfd": lambda: os.pidfd_open(TOLD["server"])})


def tracing_of_init() -> str:
    return "traced pid 1" if libc.ptrace(PTRACE_ATTACH, 1, 0, 0) == 0 else ""


def memory_of_init() -> str:
    local = ctypes.create_string_buffer(8)
    here, there = (ctypes.c_size_t * 2)(ctypes.addressof(local), 8), (ctypes.c_size_t * 2)(0x400000, 8)
    done = libc.process_vm_readv(1, here, 1, there, 1, 0)
    return "" if done < 0 and ctypes.get_errno() in {errno.EPERM, errno.ESRCH} else "read the memory of pid 1"


def namespaces_of_init() -> str:
    def enter(name: str) -> None:
        if libc.setns(os.open(f"/proc/1/ns/{name}", os.O_RDONLY), 0) < 0:
            raise OSError

    return worked({name: partial(enter, name) for name in ("mnt", "pid", "user", "net", "ipc")})


# ------------------------------------------------------------- privileges


def privileges() -> str:
    text = Path("/proc/self/status").read_text()
    lines = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    wrong = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(lines[name], 16)]
    wrong += [] if lines["NoNewPrivs"].strip() == "1" else ["new privileges"]
    wrong += [] if os.getuid() else ["uid 0"]
    return ", ".join(wrong)


def privileged_calls() -> str:
    attempts: dict[str, Callable[[], int]] = {
        "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "remount": lambda: libc.mount(b"none", LINKED.encode(), None, REMOUNT | BIND, None),
        "unmount": lambda: libc.umount2(b"/opt/ml", DETACH),
        "chroot": lambda: libc.chroot(b"/tmp"),
        "device": lambda: libc.mknod(f"{MODEL}/device".encode(), stat.S_IFBLK | 0o666, os.makedev(254, 0)),
        "mount namespace": lambda: libc.unshare(NEW_MOUNTS),
        "setuid": lambda: libc.setuid(0),
        "host name": lambda: libc.sethostname(b"x", 1),
        "reboot": lambda: libc.reboot(0),
        "clock": lambda: libc.clock_settime(0, ctypes.create_string_buffer(16)),
    }
    return ", ".join(name for name, attempt in attempts.items() if attempt() == 0)


def a_user_namespace_of_its_own() -> str:
    """There it has every capability over what it makes; what was made outside must stay locked."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, _as_root_of_its_own().encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as said:
        return said.read()


def _as_root_of_its_own() -> str:
    uid, gid, said = os.getuid(), os.getgid(), []
    if libc.unshare(NEW_USERS | NEW_MOUNTS) == 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with contextlib.suppress(OSError):
                Path(f"/proc/self/{name}").write_text(text)
    linked = LINKED.encode()
    if libc.mount(b"none", linked, None, REMOUNT | BIND, None) == 0:
        said.append("made the channel writable")
    places = (linked, b"/opt/ml", b"/tmp", b"/proc", b"/etc/hosts", b"/usr", b"/dev/shm")
    said += [f"unmounted {place.decode()}" for place in places if libc.umount2(place, DETACH) == 0]
    if libc.mount(linked, b"/tmp", None, BIND, None) == 0:
        said.append(worked({"wrote through a second mount": partial(open, "/tmp/big", "r+b")}))
    device = partial(os.mknod, f"{MODEL}/disk", stat.S_IFBLK | 0o666, os.makedev(254, 0))
    return "; ".join(filter(None, [*said, worked({"made a device": device}), all_got(below(""))]))


def set_uid_programs() -> str:
    programs = [f"/usr/bin/{name}" for name in ("su", "mount", "sudo", "newgrp", "passwd")]
    return ", ".join(path for path in programs if os.path.exists(path) and not os.statvfs(path).f_flag & os.ST_NOSUID)


for attempt in (
    the_hosts_files,
    doors_of_other_processes,
    processes_of_others,
    secrets_in_any_file,
    secrets_in_its_variables,
    inherited_files,
    files_by_handle,
    change_of_stored_objects,
    change_of_the_system,
    signals_to_the_server,
    handle_on_the_server,
    tracing_of_init,
    memory_of_init,
    namespaces_of_init,
    privileges,
    privileged_calls,
    a_user_namespace_of_its_own,
    set_uid_programs,
):
    sys.stdout.write(json.dumps({attempt.__name__: got(attempt)}) + "\n")
