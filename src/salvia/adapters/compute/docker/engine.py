"""Compute through Docker or Podman: each run is a container, looked after by a supervisor of its own."""

import asyncio
import contextlib
import ctypes
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salvia.adapters.compute.process import sockets
from salvia.adapters.compute.process.ends import Ends
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.images.daemon import Daemon, DaemonError
from salvia.ports.compute import CannotLaunchError, Run, RunSpec
from salvia_container.serving.frames import SOCKET

MARK = "container"  # in a run's folder: its name at the daemon
PORT = 8080  # where a container that serves answers, as AWS documents it
_CONNECT_SECONDS = 2.0
_PROCESSES = 4096  # and threads
_NEW_NETWORK = 0x40000000
# What images that start as root and give it up need; no raw sockets, no devices, nothing of the host.
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


class Docker:
    """Compute in containers. Use it from one event loop; several servers may share one `data` folder and one daemon.

    RunSpec.image is what the daemon calls the image. A command that begins with "" follows the image's own entry point;
    any other replaces it. Containers run as the user that the image names. Those that serve have a network namespace of
    their own, so that each can have port 8080; others have the host's network, as in a sandbox.
    """

    def __init__(self, data: Path, daemon: Daemon) -> None:
        self._folders = RunFolders(data / "runs")
        self._daemon = daemon
        self._calls: list[Callable[[str], None]] = []
        self._ends = Ends(self._folders, self._tell)

    def folder(self, name: str) -> Path:
        return self._folders.path(name) / "ml"

    def owns(self, name: str) -> bool:
        """Whether the run was ever launched here."""
        return (self._folders.path(name) / MARK).exists()

    async def dial(self, name: str) -> socket.socket:
        """Its Unix socket where it has one; else its port 8080."""
        with contextlib.suppress(ConnectionRefusedError):
            return sockets.dial(self.folder(name) / SOCKET)
        try:
            found = await asyncio.to_thread(self._daemon.container, self._container(name))
        except DaemonError as error:
            raise ConnectionRefusedError(str(error)) from error
        if found is None or not found["State"]["Pid"]:
            raise ConnectionRefusedError("it does not run")
        if found["HostConfig"]["NetworkMode"] == "host":
            raise ConnectionRefusedError("it has no port of its own")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[socket.socket] = loop.create_future()
        address = found["NetworkSettings"].get("IPAddress") or ""
        threading.Thread(target=_dial, args=(found["State"]["Pid"], address, answered, loop), daemon=True).start()
        return await answered

    async def find(self, name: str) -> Run | None:
        run = self._folders.observe(name)
        if run is not None and run.exit_code is None:
            self._ends.watch(name)
        elif run is not None and run.cause == "Lost":  # its supervisor died; the container may not have noticed
            await asyncio.to_thread(self._daemon.remove, self._container(name))
        return run

    async def launch(self, spec: RunSpec) -> Run:
        """Raises CannotLaunchError when the daemon does not answer."""
        self._folders.make(spec.name)
        run = await self.find(spec.name)
        if run is not None:
            return run
        try:
            bridged = await asyncio.to_thread(self._has_bridge)
        except DaemonError as error:
            raise CannotLaunchError(str(error)) from error
        (self._folders.path(spec.name) / MARK).write_text(self._container(spec.name))
        await asyncio.to_thread(self._supervise, spec, self._configuration(spec, bridged=bridged))
        run = await self.find(spec.name)
        if run is None:
            raise CannotLaunchError("the container's supervisor could not be started")
        return run

    async def stop(self, name: str, grace: float) -> None:
        await asyncio.to_thread(self._folders.stop, name, grace)

    async def remove(self, name: str) -> None:
        self._ends.forget(name)
        await asyncio.to_thread(self._folders.remove, name)
        await asyncio.to_thread(self._daemon.remove, self._container(name))

    def capacity(self) -> tuple[float, int]:
        return float(os.cpu_count() or 1), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def on_change(self, call: Callable[[str], None]) -> None:
        self._calls.append(call)

    def close(self) -> None:
        """Runs stay."""
        self._ends.close()

    def _tell(self, name: str) -> None:
        for call in self._calls:
            call(name)

    def _container(self, name: str) -> str:
        """Also of the data folder: two installations may use one daemon."""
        top = hashlib.sha256(str(self._folders.top.resolve()).encode()).hexdigest()[:8]
        return f"salvia-{top}-{name}"

    def _has_bridge(self) -> bool:
        return any(network["Name"] in {"bridge", "podman"} for network in self._daemon.call("GET", "/networks"))

    def _supervise(self, spec: RunSpec, configuration: dict[str, Any]) -> None:
        """Returns when a supervisor has claimed the run, or found it claimed."""
        command = [sys.executable, "-m", "salvia.adapters.compute.docker.supervise"]
        arguments = [self._daemon.path, str(self._folders.path(spec.name)), str(spec.log), self._container(spec.name)]
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as given, process.stdout as answer:
            given.write(json.dumps(configuration).encode())
            given.close()
            answer.read()
        threading.Thread(target=process.wait, daemon=True).start()  # so that it is no zombie while this server lives

    def _configuration(self, spec: RunSpec, *, bridged: bool) -> dict[str, Any]:
        folder = str(self.folder(spec.name).resolve())
        below = [path.removeprefix("/opt/ml").strip("/") for path in spec.read_only]
        own = spec.command[:1] == ("",)
        serves = spec.command[:2] == ("", "serve")
        network = "none" if spec.isolated or (serves and not bridged) else "bridge" if serves else "host"
        configuration: dict[str, Any] = {
            "Image": spec.image,
            "Env": [f"{name}={value}" for name, value in _variables(spec).items()],
            "Hostname": spec.hostname,
            "Labels": {"salvia.run": spec.name},
            "HostConfig": {
                "Binds": [f"{folder}:/opt/ml", *(f"{folder}/{path}:/opt/ml/{path}:ro" for path in below)],
                "NetworkMode": network,
                "ExtraHosts": [f"{host}:{address}" for host, address in spec.hosts.items()],
                "Init": True,  # else a program that does not listen to SIGTERM would have to be killed
                "Memory": spec.memory,
                "MemorySwap": spec.memory,
                "NanoCpus": int(min(spec.cpus, os.cpu_count() or 1) * 1e9),
                "PidsLimit": _PROCESSES,
                "ShmSize": spec.memory,
                "CapDrop": ["ALL"],
                "CapAdd": list(_CAPABILITIES),
                "SecurityOpt": ["no-new-privileges"],
                "LogConfig": {"Type": "none"},  # the supervisor writes the log
            },
        }
        if own and spec.command[1:]:
            configuration["Cmd"] = list(spec.command[1:])
        elif not own:
            configuration |= {"Entrypoint": [spec.command[0]], "Cmd": list(spec.command[1:])}
        return configuration


def _variables(spec: RunSpec) -> dict[str, str]:
    threads = str(max(1, int(spec.cpus)))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "SM_NUM_CPUS")
    return dict.fromkeys(names, threads) | dict(spec.variables)


def _dial(pid: int, address: str, answered: "asyncio.Future[socket.socket]", loop: asyncio.AbstractEventLoop) -> None:
    """Connects to the container's port in a thread of its own, which enters the container's network namespace if it may."""
    try:
        line = _connected("127.0.0.1" if _enter_network(pid) else address)
    except OSError as error:
        refused = ConnectionRefusedError(f"it does not answer: {error.strerror or error}")
        loop.call_soon_threadsafe(_settle, answered, None, refused)
    else:
        loop.call_soon_threadsafe(_settle, answered, line, None)


def _connected(address: str) -> socket.socket:
    if not address:  # "" would be this machine itself
        raise ConnectionRefusedError("only root may enter its network")
    line = socket.create_connection((address, PORT), timeout=_CONNECT_SECONDS)
    line.setblocking(False)
    return line


def _enter_network(pid: int) -> bool:
    """Moves the calling thread into the network namespace of a process, where root may."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/ns/net", "rb") as namespace:
        entered: int = ctypes.CDLL(None).setns(namespace.fileno(), _NEW_NETWORK)
        return entered == 0
    return False


def _settle(
    answered: "asyncio.Future[socket.socket]", line: socket.socket | None, error: ConnectionRefusedError | None
) -> None:
    if answered.done():  # nobody waits any more
        if line is not None:
            line.close()
    elif line is not None:
        answered.set_result(line)
    elif error is not None:
        answered.set_exception(error)
