"""Starting a server: in this process, or as one that outlives it."""

import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from salvia.cli import Refusal, servers
from salvia.cli.servers import Running
from salvia.settings import Settings

READY_SECONDS = 30.0
_LOG_BYTES = 10_000_000  # a log that is longer at a start is put aside


def serve_here(settings: Settings, ready: Callable[[Running], None]) -> None:
    """Serve in this process until SIGTERM or SIGINT. Raises Refusal when it cannot."""

    def answers(url: str) -> None:
        files.append(servers.announce(settings, url))
        server = servers.find(settings, int(url.rpartition(":")[2]))
        assert server is not None
        ready(server)

    files: list[Path] = []
    gc.disable()  # nothing that is made until the server is ready is garbage; it puts this back
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _end)  # before the server takes it over, and when it hands it back
    with servers.alone(settings):
        _bind_or_refuse(settings)
        try:
            import_module("salvia.app").serve(settings, answers)
        finally:
            for file in files:
                file.unlink(missing_ok=True)


def serve_apart(settings: Settings) -> Running:
    """Start a server that outlives this process and return when it answers. Raises Refusal with what it said when it does not.

    What it says goes to server.log in the data folder.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = settings.data / "server.log"
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    before = log.stat().st_size if log.exists() else 0
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _become_daemon(settings, log, writer)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as lines:
        told = lines.readline() if select.select([reader], [], [], READY_SECONDS)[0] else ""
    server = servers.find(settings, int(told)) if told else None
    if server is None:
        said = log.read_bytes()[before:].decode(errors="replace").strip() if log.exists() else ""
        raise Refusal(f"the server did not start; {log} says:\n{said or '(nothing)'}")
    return server


def _become_daemon(settings: Settings, log: Path, writer: int) -> NoReturn:
    """Serve in a session of its own, with no terminal, no open files of the parent's, and / as its folder.

    It ends as any command does, by the exception that leaves it: what that says goes to the log.
    """
    os.setsid()
    if os.fork():
        os._exit(0)  # whose child is nobody's, and can never get a terminal back
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    os.closerange(3, writer)
    os.closerange(writer + 1, 65536)

    def ready(server: Running) -> None:
        os.write(writer, f"{server.port}\n".encode())
        os.close(writer)

    serve_here(settings, ready)
    raise SystemExit(0)


def stop(server: Running, seconds: float = 40.0) -> bool:
    """Ask the server to end, and wait. False when it still runs."""
    try:
        descriptor = os.pidfd_open(server.pid)
    except ProcessLookupError:
        return True
    try:
        if not server.is_alive():
            return True
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        ended, _, _ = select.select([descriptor], [], [], seconds)
        return bool(ended)
    finally:
        os.close(descriptor)


def uptime(server: Running) -> str:
    seconds = int(time.time() - server.started)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"


def _bind_or_refuse(settings: Settings) -> None:
    """Say plainly that the port is taken, before anything is started."""
    if settings.port == 0:
        return
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise Refusal(
            f"cannot listen on {settings.host} port {settings.port}: {why}; choose another with --port"
        ) from None


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
