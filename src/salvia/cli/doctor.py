"""Say in plain words what this machine can and cannot do. Exits with 1 when jobs cannot run on it."""

import argparse
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from salvia.adapters.compute.process import groups
from salvia.adapters.images.daemon_socket import find_socket
from salvia.cli import servers
from salvia.settings import Settings
from salvia_container.launch import kernel

GOOD, LACKING, BROKEN = "good", "lacking", "broken"
_SIGNS = {GOOD: "[green]✓[/]", LACKING: "[yellow]![/]", BROKEN: "[red]✗[/]"}
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """`state`: GOOD; LACKING, when something works less well or not at all; BROKEN, when no job can run."""

    subject: str
    state: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not try to reach PyPI")


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data)
    findings = examine(settings, os.environ, online=not args.offline)
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        sign = _SIGNS[finding.state] if console.is_terminal else f"{finding.state:7}"
        console.print(f"{sign} {finding.subject:12}", end=" ")
        console.print(finding.text, markup=False)
    return 1 if any(finding.state == BROKEN for finding in findings) else 0


def examine(settings: Settings, environment: Mapping[str, str], *, online: bool) -> list[Finding]:
    found = [
        python(sys.version_info[:2]),
        machine(),
        memory(),
        disk("data", settings.data),
        disk("environments", settings.environments),
        namespaces(),
        memory_limits(settings.data),
        containers(settings, environment),
        java(),
    ]
    return [*found, packages(environment), server(settings)] if online else [*found, server(settings)]


def python(version: tuple[int, int]) -> Finding:
    words = f"Python {version[0]}.{version[1]} on {platform.system()} {platform.release()}, {platform.machine()}"
    if (3, 11) <= version <= (3, 13):
        return Finding("Python", GOOD, words)
    return Finding("Python", BROKEN, f"{words}: Salvia is made for Python 3.11 to 3.13")


def machine() -> Finding:
    cpus = min(len(os.sched_getaffinity(0)), groups.cpu_quota())
    load = os.getloadavg()[0]
    words = f"{cpus:g} for jobs; the load is {load:.1f}"
    if load > 1.5 * cpus:
        return Finding("CPUs", LACKING, f"{words}: jobs will be slow until other programs have ended")
    return Finding("CPUs", GOOD, words)


def memory() -> Finding:
    page = os.sysconf("SC_PAGE_SIZE")
    whole, free = (page * os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    limit = groups.memory_limit()
    words = f"{min(whole, limit) / _GIB:.1f} GiB for jobs" + (" (a limit of this container)" if limit < whole else "")
    if min(whole, limit) < 2 * _GIB:
        return Finding("memory", LACKING, f"{words}, which is little: algorithms need 1 GiB and more")
    return Finding("memory", GOOD, f"{words}, {free / _GIB:.1f} GiB unused at the moment")


def disk(subject: str, folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        return Finding(subject, BROKEN, f"{there} cannot be written to by this user")
    free = shutil.disk_usage(there).free / _GIB
    words = f"{free:.1f} GiB free in {folder}"
    return (
        Finding(subject, LACKING, f"{words}: deep learning needs more") if free < 5 else Finding(subject, GOOD, words)
    )


def namespaces() -> Finding:
    """Tries what starting a run does, in a child process."""
    flags = kernel.NEW_MOUNTS | kernel.NEW_PIDS | kernel.NEW_IPC | kernel.NEW_NAMES
    failed = _tried(lambda: kernel.unshare(flags if os.geteuid() == 0 else kernel.NEW_USERS | flags))
    if not failed:
        return Finding(
            "sandbox", GOOD, "each run gets namespaces of its own: it sees neither other runs nor your files"
        )
    return Finding(
        "sandbox",
        BROKEN,
        f"this machine forbids namespaces ({failed}). As an ordinary user, allow user namespaces: sysctl "
        "kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); "
        "inside a container, start that with --privileged or --security-opt seccomp=unconfined",
    )


def memory_limits(data: Path) -> Finding:
    if groups.memory_parent(data) is not None:
        return Finding("limits", GOOD, "a run that takes more memory than its instance type has is ended, and says so")
    return Finding(
        "limits",
        LACKING,
        "no control group can be made here, so the memory of runs is watched and not strictly limited",
    )


def containers(settings: Settings, environment: Mapping[str, str]) -> Finding:
    path = find_socket(settings.container_socket, environment)
    if path and _connects(path):
        return Finding("containers", GOOD, f"{path} answers: images that are not AWS's own run there")
    if path:
        return Finding("containers", LACKING, f"{path} does not answer: only AWS's own images can run")
    return Finding("containers", GOOD, "neither Docker nor Podman answers; AWS's own images need none")


def java() -> Finding:
    found = shutil.which("java")
    if found:
        return Finding("Java", GOOD, found)
    return Finding("Java", LACKING, "none, which only Spark needs")


def packages(environment: Mapping[str, str]) -> Finding:
    """Jobs' environments are built from PyPI at their first use."""
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy")
    if proxy:
        return Finding("PyPI", GOOD, "reached through the proxy of this machine; not tried")
    try:
        socket.create_connection(("pypi.org", 443), timeout=3).close()
    except OSError as error:
        return Finding("PyPI", LACKING, f"not reached ({error}): environments that were not built yet cannot be built")
    return Finding("PyPI", GOOD, "reached: environments of jobs can be built")


def server(settings: Settings) -> Finding:
    found = servers.running(settings.data)
    if found:
        return Finding("server", GOOD, ", ".join(f"{one.url} (pid {one.pid})" for one in found))
    return Finding("server", LACKING, "none runs on this data folder; start one with: salvia up")


def _tried(attempt: Callable[[], None]) -> str:
    """What went wrong when a child process tried; "" when nothing did."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
        except OSError:
            return False
    return True
