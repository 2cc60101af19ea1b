"""The server's end of a template process: started when first needed, asked for runs, let go when idle."""

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from salvia.adapters.images.environment import Environment
from salvia_container.launch import root
from salvia_container.launch.requests import Descriptors, send

_PACKAGES = ("salvia_container", "salvia_algorithms")


@dataclass(frozen=True, slots=True)
class Readings:
    """What a template said of itself: seconds its imports took, bytes it holds, threads it has."""

    seconds: float
    resident: int
    threads: int


class Template:
    """One environment's template, with its modules imported (`warm`) or bare, to execute commands from.

    `runs` is the folder of runs, `place` an empty folder to build the file system on, `groups` gives the
    folder of memory control groups, if there may be any; `as_user` as for Process.
    """

    def __init__(
        self,
        environment: Environment,
        runs: Path,
        place: Path,
        groups: Callable[[], Path | None],
        *,
        warm: bool,
        as_user: bool,
    ) -> None:
        self._environment, self._runs, self._place, self._groups = environment, runs, place, groups
        self._warm, self._as_user = warm, as_user
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._complaints = -1  # a file in memory that is its stderr
        self.used = time.monotonic()
        self.pending = 0  # requests that wait for their answer

    def ask(self, descriptors: Descriptors) -> None:
        """Hands over a run, starting the template when there is none."""
        self.used = time.monotonic()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                send(self._connection, descriptors)
                return
            self.close()
        self.start()
        assert self._connection is not None
        with contextlib.suppress(OSError):  # it died at once: the answer that never comes says so
            send(self._connection, descriptors)

    async def ready(self) -> Readings:
        """Starts the template when there is none; returns when its imports are done. Raises OSError when it died."""
        self.start()
        connection = self._connection
        assert connection is not None
        data = await _receive(connection)
        if not data:
            raise OSError(f"the template of {self._environment.name} ended: {self.complaints()}")
        return Readings(**json.loads(data))

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def complaints(self) -> str:
        """The end of what it wrote to stderr: why it died."""
        if self._complaints < 0:
            return ""
        size = os.fstat(self._complaints).st_size
        return os.pread(self._complaints, 2000, max(0, size - 2000)).decode(errors="replace").strip()

    def close(self) -> None:
        """It ends as soon as it notices; its runs stay."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process = None
        if self._complaints >= 0:
            os.close(self._complaints)
            self._complaints = -1

    def start(self) -> None:
        """Returns at once; does nothing when it was started."""
        self.used = time.monotonic()
        if self._connection is not None:
            return
        self._complaints = os.memfd_create("stderr", os.MFD_CLOEXEC)
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.setblocking(False)
        modules = ",".join(self._environment.preload) if self._warm else ""
        python = f"{root.ENVIRONMENT}/bin/python" if self._environment.folder else interpreter()
        code = boot_code(root.CODE, "zygote")
        parent = self._groups()
        groups = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if parent else -1
        given = [theirs.fileno()] + ([groups] if groups >= 0 else [])
        alone = [] if self._warm else ["-I", "-S"]  # what is only to execute others needs no packages
        command = [python, *alone, "-c", code, str(theirs.fileno()), str(groups), modules]
        self._process = subprocess.Popen(
            [
                interpreter(),
                "-I",
                "-S",
                "-c",
                boot_code(code_folder(), "root"),
                self._plan(),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            cwd="/",
            pass_fds=given,
            start_new_session=True,  # a Ctrl-C for the server is none of its business
        )
        theirs.close()
        if groups >= 0:
            os.close(groups)

    def _plan(self) -> str:
        self._place.mkdir(parents=True, exist_ok=True)
        return json.dumps(
            {
                "at": str(self._place),
                "runs": str(self._runs),
                "code": [str(folder) for folder in package_folders()],
                "environment": str(self._environment.folder) if self._environment.folder else None,
                "as_user": self._as_user,
                "shown": shown_paths(),
            }
        )


def boot_code(folder: Path | str, module: str) -> str:
    """What `python -c` runs to become a module of the launcher, wherever the interpreter finds no packages."""
    return f"import sys; sys.path.insert(0, {str(folder)!r}); from salvia_container.launch.{module} import main; main()"


def interpreter() -> str:
    """The server's own Python, outside any virtual environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def shown_paths() -> list[str]:
    """What the interpreter needs, where it expects it: its prefix, and what that is a link to."""
    return sorted({sys.base_prefix, os.path.realpath(sys.base_prefix), _prefix_of(os.path.realpath(interpreter()))})


def package_folders() -> list[Path]:
    """The packages of this installation that run inside jobs."""
    found = (importlib.util.find_spec(name) for name in _PACKAGES)
    return [Path(spec.origin).parent for spec in found if spec and spec.origin]


def code_folder() -> Path:
    return package_folders()[0].parent


def _prefix_of(executable: str) -> str:
    return os.path.dirname(os.path.dirname(executable))


async def _receive(connection: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(connection, 4096)
