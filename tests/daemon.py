"""A Docker daemon of the tests' own, with one small image made of this machine's programs; or the reason why there is none."""

import io
import os
import shutil
import socket
import subprocess
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import pytest

from salvia.adapters.images.daemon import Daemon, DaemonError

IMAGE = "own.example.com/small:1"
_PROGRAMS = (
    *(
        "bash",
        "sh",
        "cat",
        "chmod",
        "cp",
        "cut",
        "env",
        "getent",
        "grep",
        "head",
        "hostname",
        "id",
        "ls",
        "ln",
        "mkdir",
    ),
    *("mkfifo", "rm", "sleep", "sort", "tail", "touch", "tr", "wc", "python3"),
)
_LEFT_OUT = {"test", "idlelib", "lib2to3", "__pycache__", "ensurepip", "tkinter", "dist-packages", "site-packages"}


@contextmanager
def running(programs: Mapping[str, str] = MappingProxyType({})) -> Iterator[Daemon]:
    """`programs` are the image's own, by name. Skips the test where no daemon can be started."""
    if os.getuid() or not shutil.which("dockerd"):
        pytest.skip("a container daemon is started by root only, where dockerd is installed (Debian's docker.io)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = _started(Path(folder))
        try:
            daemon = Daemon(f"{folder}/docker.sock")
            _import_image(daemon, Path(folder), programs)
            yield daemon
        finally:
            process.terminate()
            process.wait()


def _started(folder: Path) -> "subprocess.Popen[bytes]":
    alone = ["--iptables=false", "--bridge=none", "--ip-forward=false", "--ip-masq=false", "--log-level=error"]
    places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    for driver in ("overlay2", "vfs"):
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["dockerd", *alone, *places, f"--host=unix://{folder}/docker.sock", f"--storage-driver={driver}"],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            try:
                Daemon(f"{folder}/docker.sock").call("GET", "/info")
            except DaemonError:
                time.sleep(0.1)
            else:
                return process
        process.kill()
        process.wait()
    pytest.skip(f"dockerd does not start here: {(folder / 'log').read_text()[-300:]}")


def _import_image(daemon: Daemon, folder: Path, programs: Mapping[str, str]) -> None:
    with tarfile.open(folder / "image.tar", "w", dereference=True) as tar:
        for path in sorted(_files()):
            tar.add(path, path, recursive=False)
        for name in ("tmp", "etc", "root", "home", "proc", "dev", "sys", "opt"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, text in programs.items():
            entry = tarfile.TarInfo(f"usr/bin/{name}")
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(120)
    line.connect(daemon.path)
    size = (folder / "image.tar").stat().st_size
    repository, _, tag = IMAGE.rpartition(":")
    line.sendall(
        f"POST /v1.40/images/create?fromSrc=-&repo={quote(repository)}&tag={tag} HTTP/1.1\r\nHost: d\r\n"
        f"Content-Type: application/x-tar\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode()
    )
    with line, (folder / "image.tar").open("rb") as content:
        line.sendfile(content)
        answer = b"".join(iter(lambda: line.recv(1 << 16), b""))
    assert b"sha256:" in answer, answer


def _files() -> set[str]:
    """The programs under the names that scripts use, Python's library, and every shared library of either."""
    programs = {f"/bin/{name}" if name in {"bash", "sh"} else f"/usr/bin/{name}" for name in _PROGRAMS}
    library = Path(f"/usr/lib/python{_version()}")
    modules = {
        str(path)
        for path in library.rglob("*")
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(library).parts)
    }
    linked = [path for path in (*programs, *modules) if path in programs or ".so" in Path(path).name]
    shown = subprocess.run(["ldd", *linked], capture_output=True, text=True, check=False).stdout
    libraries = {word for word in shown.split() if word.startswith("/lib") and not word.endswith(":")}
    return {path for path in programs | modules | libraries if Path(path).exists()}


def _version() -> str:
    shown = subprocess.run(["/usr/bin/python3", "--version"], capture_output=True, text=True, check=False).stdout
    return ".".join(shown.split()[1].split(".")[:2]) if shown else sysconfig.get_python_version()
