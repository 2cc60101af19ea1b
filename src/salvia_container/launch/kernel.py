"""Linux as the launcher needs it: the namespace, mount and capability calls that Python's os does not offer everywhere.

All raise OSError with what was attempted.
"""

import contextlib
import ctypes
import fcntl
import os
import re
import socket
import struct

NEW_MOUNTS, NEW_NAMES, NEW_IPC, NEW_USERS, NEW_PIDS, NEW_NETWORK = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16384, 1 << 18
_KEPT = (
    NO_SETUID | NO_DEVICES | NO_EXEC | 1024 | 2048
)  # a remount in a user namespace must repeat what is set (and noatime)
_DETACH = 2
_DONT_NEED = 4
_MAPPING = re.compile(  # of a file, without write permission and without a page of its own
    r"^(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) r-.p \S+ \S+ [1-9]\d* +/[^\n]*\n(?:(?!Anonymous)\w+: [^\n]*\n)*Anonymous: +0 kB",
    re.MULTILINE,
)
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_SYS_MOUNT_SETATTR, _SYS_CREATE_RULESET, _SYS_RESTRICT_SELF = 442, 444, 446  # one number on every architecture
_RULESET_VERSION, _SCOPED_ABSTRACT_SOCKETS, _FIRST_WITH_SCOPES = 1, 1, 6
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 4, 24, 38, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR = 2, 4
_CAPABILITY_VERSION = 0x20080522
_KEYCTL = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, attempt: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{attempt}: {os.strerror(number)}")


def read_text(path: str) -> str:
    """A whole small file; pathlib costs a template 15 ms of imports."""
    with open(path) as file:
        return file.read()


def write_text(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def let_go_of_code() -> None:
    """Drop the pages of libraries from this process: what their importing has run and read is hardly needed again.

    They stay in the page cache, from where they come back by themselves. Only what cannot be written and was never
    changed is dropped: where a library was relocated, the change would be lost.
    """
    for mapping in _MAPPING.finditer(read_text("/proc/self/smaps")):
        start, end = int(mapping["start"], 16), int(mapping["end"], 16)
        _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), ctypes.c_int(_DONT_NEED))


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _check(result, f"mount {kind or 'bind'} {target}")


def make_mounts_private() -> None:
    """What is mounted here from now on is seen nowhere else, nor the other way."""
    mount("none", "/", None, _RECURSIVE | _PRIVATE)


def bind(source: str, target: str, *, read_only: bool = False, devices: bool = False) -> None:
    """Shows `source`, with what is mounted below it, at `target`; without set-uid programs, and devices only if wanted."""
    mount(source, target, None, _BIND | _RECURSIVE)
    restrict(target, NO_SETUID | (READ_ONLY if read_only else 0) | (0 if devices else NO_DEVICES))


def restrict(target: str, flags: int) -> None:
    """Adds flags to the whole tree where the kernel can (5.12), else to the topmost mount."""
    attributes = struct.pack("=QQQQ", flags, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE),
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    if result:
        restrict_top(target, flags)  # an older kernel


def restrict_top(target: str, flags: int) -> None:
    """Only the mount at `target` itself, not what is mounted below it."""
    kept = os.statvfs(target).f_flag & _KEPT
    mount("none", target, None, _REMOUNT | _BIND | flags | kept)


def unmount(target: str) -> None:
    _check(_libc.umount2(os.fsencode(target), _DETACH), f"unmount {target}")


def pivot(root: str) -> None:
    """Makes `root`, a mount point, the root of this mount namespace; the old root is gone."""
    os.chdir(root)
    number = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine)
    if number is None:
        raise OSError(38, f"pivot_root: not known on {os.uname().machine}")
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def die_with_parent() -> None:
    """SIGKILL for this process when its parent ends. Forgotten when the uid changes: call it after that."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl(PDEATHSIG)")


def set_dumpable(allowed: bool) -> None:
    """Whether processes of the same user may look into this one (and it into its own /proc/self)."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, int(allowed), 0, 0, 0), "prctl(DUMPABLE)")


def new_keyring() -> None:
    """A session keyring of its own, where the kernel has keyrings."""
    if _KEYCTL is not None:
        _libc.syscall(ctypes.c_long(_KEYCTL), ctypes.c_int(1), None)


def keep_capabilities() -> None:
    """Lets what is executed next keep the capabilities that this process has."""
    last = _last_capability()
    _capset((1 << (last + 1)) - 1, inheritable=True)
    for capability in range(last + 1):
        _check(_libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, capability, 0, 0), "prctl(CAP_AMBIENT_RAISE)")


def drop_bounding_set() -> None:
    """What is executed from now on gains no capability; the ones this process has stay."""
    for capability in range(_last_capability() + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EPERM where it was not ours: nothing to drop


def drop_privileges(uid: int, gid: int) -> None:
    """Becomes `uid` without any capability, for good. See drop_bounding_set."""
    _libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    if os.getuid() != uid:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _capset(0, inheritable=False)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")


def can_scope() -> bool:
    """Whether keep_to_own_sockets does something here."""
    version = _libc.syscall(
        ctypes.c_long(_SYS_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(_RULESET_VERSION)
    )
    return bool(version >= _FIRST_WITH_SCOPES)


def keep_to_own_sockets() -> None:
    """Abstract Unix sockets, which no mount hides (a desktop's X server has one), can from now on be reached only where
    this process or its descendants made them. Needs Linux 6.12 with Landlock, and does nothing elsewhere.
    """
    if not can_scope():
        return
    rules = struct.pack("=QQQ", 0, 0, _SCOPED_ABSTRACT_SOCKETS)
    ruleset = _libc.syscall(ctypes.c_long(_SYS_CREATE_RULESET), rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0))
    _check(ruleset, "landlock_create_ruleset")
    try:
        _check(_libc.syscall(ctypes.c_long(_SYS_RESTRICT_SELF), ruleset, ctypes.c_uint(0)), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def raise_loopback() -> None:
    """The loopback interface of a new network namespace is down until somebody raises it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP | _IFF_RUNNING))


def _capset(mask: int, *, inheritable: bool) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    kept = (low, high) if inheritable else (0, 0)
    data = struct.pack("=6I", low, low, kept[0], high, high, kept[1])
    _check(_libc.capset(header, data), "capset")


def _last_capability() -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(read_text("/proc/sys/kernel/cap_last_cap"))
    return 40
