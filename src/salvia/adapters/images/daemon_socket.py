"""Where the container daemon is; apart from the daemon itself, because servers without one need nothing of that."""

import os
from collections.abc import Mapping
from pathlib import Path


def find_socket(chosen: str, environment: Mapping[str, str]) -> str:
    """The path of a daemon's socket: `chosen`, else that of DOCKER_HOST, else a usual one that exists; "" for none."""
    if chosen:
        return "" if chosen == "none" else chosen.removeprefix("unix://")
    host = environment.get("DOCKER_HOST", "")
    if host.startswith("unix://"):
        return host.removeprefix("unix://")
    runtime = environment.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    usual = (
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    return next((path for path in usual if Path(path).is_socket() and os.access(path, os.W_OK)), "")
