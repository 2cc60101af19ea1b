"""On a node: starts one run in a sandbox as a server does on its own machine, and ends it when the actor is gone.

The order comes as one line of JSON by stdin, which stays open as long as the actor lives. Its log and what it leaves are on the
file system that the nodes share with the server.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.images.environment import Environment
from salvia.ports.compute import CannotLaunchError, RunSpec
from salvia_container.launch import record
from salvia_container.launch.requests import NOT_STARTED

_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_LOOK_MILLISECONDS = 1000


def main() -> None:
    if os.fork():  # Ray kills the children of an actor that it ends; this has to outlive the actor for a moment
        os._exit(0)
    order = json.loads(sys.stdin.buffer.readline())
    data, name = Path(order["data"]), order["name"]
    folders = RunFolders(data / "runs")
    if not folders.path(name).exists():  # the job was ended while this waited for room
        return
    if order["here"]:
        _name_interface(folders.path(name) / "ml/input/config/resourceconfig.json", order["here"])
    asyncio.run(_launch(folders, data, order))
    _look_after(folders, name)


async def _launch(folders: RunFolders, data: Path, order: dict[str, Any]) -> None:
    given = order["environment"]
    folder = Path(given["folder"]) if given["folder"] else None
    environment = Environment(given["name"], folder, tuple(given["modules"]), tuple(given["preload"]))
    spec = RunSpec(
        name=order["name"],
        image=environment.name,
        command=tuple(order["command"]),
        log=Path(order["log"]),
        variables=order["variables"],
        read_only=tuple(order["read_only"]),
        hostname=order["hostname"],
        hosts=order["hosts"],
        cpus=order["cpus"],
        memory=order["memory"],
        isolated=order["isolated"],
    )
    if folder is not None and not folder.is_dir():
        _refuse(folders, spec, f"the environment {environment.name} is not on a file system that this node shares")
        return
    process = Process(data, {environment.name: environment}.__getitem__)
    try:
        await process.launch(spec)
    except CannotLaunchError as error:
        _refuse(folders, spec, str(error))
    finally:
        process.close()


def _refuse(folders: RunFolders, spec: RunSpec, why: str) -> None:
    with folders.open(spec.name) as folder:
        if record.claim(folder) is None:
            return
        with spec.log.open("a") as log:
            log.write(f"salvia: the run could not be started on node {socket.gethostname()}: {why}\n")
        record.write_ending(folder, record.Ending(NOT_STARTED, time.time(), "NotStarted"))


def _look_after(folders: RunFolders, name: str) -> None:
    supervisor = folders.supervisor(name)
    poll = select.poll()
    poll.register(0, 0)  # a hang-up is told unasked
    if supervisor is not None:
        poll.register(supervisor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(_LOOK_MILLISECONDS)}
        run = folders.observe(name)
        if run is None or run.exit_code is not None:
            return
        if 0 in ready:
            if supervisor is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(supervisor, signal.SIGKILL)
            return


def _name_interface(file: Path, address: str) -> None:
    """Between nodes, what instances say to each other goes by the interface that has the node's address."""
    with contextlib.suppress(FileNotFoundError):
        text = json.loads(file.read_text())
        if "network_interface_name" in text:
            file.write_text(json.dumps(text | {"network_interface_name": _interface_of(address)}))


def _interface_of(address: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                found = fcntl.ioctl(asker, _GET_ADDRESS, struct.pack("256s", name.encode()))
                if socket.inet_ntoa(found[20:24]) == address:
                    return name
    return "lo"


if __name__ == "__main__":
    main()
