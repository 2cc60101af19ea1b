"""One Compute of two engines: AWS's own images run in sandboxes, here or on Ray, all others in containers here."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from salvia.adapters.compute.docker import Docker
from salvia.adapters.compute.process import Process
from salvia.adapters.compute.ray import Ray
from salvia.adapters.images.containers import PREFIX, ContainerImages
from salvia.adapters.images.daemon import Daemon
from salvia.adapters.images.local import LocalImages
from salvia.ports.compute import Run, RunSpec


class ByImage:
    """Both engines keep their runs in one data folder, so a run is the container engine's when that says so."""

    def __init__(self, process: Process | Ray, docker: Docker) -> None:
        self._process, self._docker = process, docker

    def folder(self, name: str) -> Path:
        return self._process.folder(name)

    async def dial(self, name: str) -> socket.socket:
        return await self._of(name).dial(name)

    async def find(self, name: str) -> Run | None:
        return await self._of(name).find(name)

    async def launch(self, spec: RunSpec) -> Run:
        if spec.image.startswith(PREFIX):
            return await self._docker.launch(replace(spec, image=spec.image.removeprefix(PREFIX)))
        return await self._process.launch(spec)

    async def stop(self, name: str, grace: float) -> None:
        await self._of(name).stop(name, grace)

    async def remove(self, name: str) -> None:
        await self._of(name).remove(name)

    def capacity(self) -> tuple[float, int]:
        return self._process.capacity()

    def on_change(self, call: Callable[[str], None]) -> None:
        self._process.on_change(call)
        self._docker.on_change(call)

    def close(self) -> None:
        self._process.close()
        self._docker.close()

    def _of(self, name: str) -> Process | Ray | Docker:
        return self._docker if self._docker.owns(name) else self._process


def engines(data: Path, local: LocalImages, process: Process | Ray, path: str) -> tuple[ContainerImages, ByImage]:
    """The images and the Compute of a server that has the daemon on the socket `path`."""
    daemon = Daemon(path)
    return ContainerImages(local, daemon), ByImage(process, Docker(data, daemon))
