"""Compute on this machine: runs are forked from template processes and looked after by supervisors of their own."""

import asyncio
import logging
import os
import socket
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from salvia.adapters.compute.process import groups, sockets
from salvia.adapters.compute.process.abilities import probe
from salvia.adapters.compute.process.ends import Ends
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.compute.process.template import Readings, Template
from salvia.adapters.images.environment import CONSTRAINTS, Environment
from salvia.base.text import without_paths
from salvia.ports.compute import CannotLaunchError, Run, RunSpec
from salvia_container.launch import root
from salvia_container.launch.requests import Descriptors, Request, write
from salvia_container.serving.frames import SOCKET

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0  # how long a template that nobody asks is kept
_TIDY_SECONDS = 30.0
_FIRST_UID = 1_000_000_000  # runs of a root server have uids from here on, one each
_ALL_UIDS = 4294967295  # the size of the first user namespace
_NOBODY = 65534
# Variables that libraries read when they are loaded: a run that sets one of these itself is not forked from a process that
# has them loaded.
_READ_AT_START = (
    "PYTHON",
    "LD_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "NUMEXPR_",
    "BLIS_",
    "TORCH_",
    "PYTORCH_",
    "CUDA_",
    "TF_",
    "XLA_",
    "KERAS_",
    "HF_",
    "TRANSFORMERS_",
)


class Process:
    """Compute in processes of this machine. Use it from one event loop; several servers may share one `data` folder.

    Everything about a run is in `data`/runs/<name>; see docs/runs.md. `find_environment` maps Image.name to an Environment
    and raises LookupError for a name it does not know. `as_user` has a root server do without its privileges, as it would for
    anybody; `groups_too` allows control groups.
    """

    def __init__(
        self,
        data: Path,
        find_environment: Callable[[str], Environment],
        *,
        as_user: bool = False,
        groups_too: bool = True,
    ) -> None:
        self._folders = RunFolders(data / "runs")
        self._find_environment = find_environment
        self._templates: dict[tuple[str, bool], Template] = {}
        self._calls: list[Callable[[str], None]] = []
        self._ends = Ends(self._folders, self._tell)
        self._tidying: asyncio.TimerHandle | None = None
        self._as_user = as_user
        self._capacity: tuple[float, int] | None = None
        self._data, self._groups_too = data, groups_too

    def folder(self, name: str) -> Path:
        return self._folders.path(name) / "ml"

    async def dial(self, name: str) -> socket.socket:
        return sockets.dial(self.folder(name) / SOCKET)

    async def find(self, name: str) -> Run | None:
        run = self._folders.observe(name)
        if run is not None and run.exit_code is None:
            self._ends.watch(name)
        return run

    async def launch(self, spec: RunSpec) -> Run:
        """Raises CannotLaunchError when this machine will not, however often it is asked."""
        self._folders.make(spec.name)
        run = await self.find(spec.name)
        if run is not None:
            return run
        template, request = self._plan(spec)
        for _ in range(2):  # the first template may have died of old age in the same moment
            await self._hand_over(request, spec.log, template)
            run = await self.find(spec.name)
            if run is not None:
                return run
        log.warning("%s could not be started: %s", spec.name, template.complaints() or "its template died")
        reason = (await asyncio.to_thread(probe, self._folders.top.parent)).advice()
        complaint = template.complaints().rpartition("\n")[2] or "its template died"
        raise CannotLaunchError(without_paths(reason or f"the run could not be started: {complaint}"))

    async def stop(self, name: str, grace: float) -> None:
        """The wish is kept: a run not launched yet will end without starting, and the SIGKILL needs no server."""
        await asyncio.to_thread(self._folders.stop, name, grace)

    async def remove(self, name: str) -> None:
        """Ends the run when it still runs, and frees its folder."""
        self._ends.forget(name)
        await asyncio.to_thread(self._folders.remove, name)

    def capacity(self) -> tuple[float, int]:
        """As it was when first asked: every waiting job asks, and a machine seldom grows under a server."""
        if self._capacity is None:
            cpus = min(float(len(os.sched_getaffinity(0))), groups.cpu_quota())
            memory = min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), groups.memory_limit())
            self._capacity = cpus, int(memory)
        return self._capacity

    def on_change(self, call: Callable[[str], None]) -> None:
        self._calls.append(call)

    def warm(self, image: str) -> None:
        """Has the template of an environment started, if it is not, so that it is ready when a run comes. Returns at once."""
        environment = self._find_environment(image)
        if environment.modules:
            self._template(environment, warm=True).start()

    async def readings(self, image: str) -> Readings:
        """What the environment's template says of itself when it is ready, once for each start of it. Raises OSError."""
        return await self._template(self._find_environment(image), warm=True).ready()

    def close(self) -> None:
        """Lets the templates go. Runs stay."""
        self._ends.close()
        if self._tidying is not None:
            self._tidying.cancel()
        for template in self._templates.values():
            template.close()
        self._templates.clear()
        groups.release(self._data)

    def _plan(self, spec: RunSpec) -> tuple[Template, Request]:
        try:
            environment = self._find_environment(spec.image)
        except LookupError as error:
            raise CannotLaunchError(f"there is no environment {spec.image!r} on this machine") from error
        module, script, arguments = _forked(spec, environment)
        request = Request(
            name=spec.name,
            module=module,
            script=script,
            arguments=arguments,
            variables=_variables(environment, spec),
            read_only=[_below_ml(path) for path in spec.read_only],
            hostname=spec.hostname,
            hosts=dict(spec.hosts),
            memory=spec.memory,
            threads=_threads(spec.cpus),
            isolated=spec.isolated,
            uid=_uid(spec.name),
        )
        return self._template(environment, warm=bool(module or script)), request

    def _template(self, environment: Environment, *, warm: bool) -> Template:
        key = (environment.name, warm)
        if key not in self._templates:
            place = self._folders.top / ".root"
            self._templates[key] = Template(
                environment, self._folders.top, place, self._group, warm=warm, as_user=self._as_user
            )
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(_TIDY_SECONDS, self._tidy)
        return self._templates[key]

    async def _hand_over(self, request: Request, log: Path, template: Template) -> None:
        """Returns when a supervisor has claimed the run, or every one that might has given up."""
        ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with self._folders.open(request.name) as folder, os.fdopen(ours) as answer:
            descriptors = Descriptors(
                request=write(request),
                folder=os.dup(folder),
                log=os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600),
                reply=theirs,
            )
            template.pending += 1
            try:
                template.ask(descriptors)
                descriptors.close()
                await _readable(answer.fileno())
            finally:
                template.pending -= 1

    def _group(self) -> Path | None:
        return groups.memory_parent(self._data) if self._groups_too else None

    def _tidy(self) -> None:
        for key, template in list(self._templates.items()):
            if not template.pending and time.monotonic() - template.used > IDLE_SECONDS:
                template.close()
                del self._templates[key]
        loop = asyncio.get_running_loop()
        self._tidying = loop.call_later(_TIDY_SECONDS, self._tidy) if self._templates else None

    def _tell(self, name: str) -> None:
        for call in self._calls:
            call(name)


async def _readable(descriptor: int) -> None:
    """Returns when there is something to read, or nobody left who could write."""
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_reader(descriptor, seen.set)
    try:
        await seen.wait()
    finally:
        loop.remove_reader(descriptor)


def _forked(spec: RunSpec, environment: Environment) -> tuple[str, str, list[str]]:
    """The module and the script that a forked template goes on as, and what to tell it, or execute instead of either."""
    command = spec.command
    asks = any(name.startswith(_READ_AT_START) for name in spec.variables)
    if not asks and command[:2] == ("python", "-m") and command[2] in environment.modules:
        return command[2], "", list(command[3:])
    plain = len(command) > 1 and command[0] in {"python", "python3"} and not command[1].startswith("-")
    if not asks and plain and environment.preload:
        return "", command[1], list(command[2:])
    return "", "", list(command)


def _threads(cpus: float) -> int:
    return max(1, int(cpus))


def _variables(environment: Environment, spec: RunSpec) -> dict[str, str]:
    """All that a run sees: nothing of the server's own environment."""
    threads = str(_threads(spec.cpus))
    folders = [f"{sys.base_prefix}/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    own = {}
    if environment.folder is not None:
        folders[:0] = [f"{root.PACKAGES}/bin", f"{root.ENVIRONMENT}/bin"]
        own = {"PIP_CONSTRAINT": f"{root.ENVIRONMENT}/{CONSTRAINTS}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {
        "PATH": ":".join(folders),
        "HOME": "/tmp",  # noqa: S108 - the run's own
        "USER": "sagemaker",
        "LANG": "C.UTF-8",
        "HOSTNAME": spec.hostname,
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMEXPR_NUM_THREADS": threads,
        "SM_NUM_CPUS": threads,
        "SM_MEMORY_BYTES": str(spec.memory),
        **own,
        **spec.variables,
    }


def _below_ml(path: str) -> str:
    relative = path.removeprefix("/opt/ml").strip("/")
    if not relative or ".." in relative.split("/"):
        raise ValueError(f"{path!r} is not below /opt/ml")
    return relative


def _uid(name: str) -> int:
    """One for each run where uids abound, so that runs are strangers to each other; only used by a server that is root."""
    size = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return _FIRST_UID + zlib.crc32(name.encode()) % _FIRST_UID if size == _ALL_UIDS else _NOBODY
