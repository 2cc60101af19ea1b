"""A PostgreSQL for tests: the one SALVIA_TEST_POSTGRES names, else a private one, where Debian's package is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server while the context lasts. Skips the test when there can be none."""
    if url := os.environ.get("SALVIA_TEST_POSTGRES"):
        yield url
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    programs = found[-1].parent
    if not (programs / "initdb").exists():
        pytest.skip("no PostgreSQL: install Debian's postgresql package, or name a server in SALVIA_TEST_POSTGRES")
    folder = tempfile.mkdtemp(prefix="salvia-postgres-")
    as_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c port={port} -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run(
            [*as_user, str(programs / command[0]), *command[1:]], check=True, cwd=folder, stdout=subprocess.DEVNULL
        )

    run("initdb", "-D", f"{folder}/data", "-U", "salvia", "-A", "trust", "--no-sync")
    run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
    try:
        yield f"postgresql://salvia@/postgres?host={folder}&port={port}"
    finally:
        run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def emptied(url: str) -> str:
    """The same URL, with nothing of Salvia's there any more."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("drop schema if exists salvia cascade")
    return url
