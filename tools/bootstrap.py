"""Put the `uv` that uv.lock names into .uv/, with nothing but Python: no pip, no venv module, no root.

The wheel's address and hash are the lock's own, so this downloads exactly what `uv sync` itself would.
"""

import hashlib
import io
import os
import platform
import ssl
import sys
import tomllib
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".uv" / "uv"


def main() -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text())
    package = next(package for package in locked["package"] if package["name"] == "uv")
    wheel = chosen(package["wheels"])
    if TARGET.exists() and (TARGET.parent / "version").read_text() == wheel["url"]:
        return
    print(f"Fetching uv {package['version']} ...", file=sys.stderr)
    with urllib.request.urlopen(wheel["url"], timeout=120, context=trust()) as answer:
        data = answer.read()
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != wheel["hash"]:
        sys.exit("The download of uv does not have the hash that uv.lock names.")
    unpack(data)
    (TARGET.parent / "version").write_text(wheel["url"])


def trust() -> ssl.SSLContext:
    """A machine without any certificate authorities (Debian without ca-certificates) can still verify the lock's hash."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return ssl.create_default_context()
    return ssl._create_unverified_context()  # noqa: S323, SLF001


def chosen(wheels: list[dict[str, str]]) -> dict[str, str]:
    libc = "musllinux" if any(Path("/lib").glob("ld-musl-*")) else "manylinux"
    systems = {"linux": libc, "darwin": "macosx"}
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for wheel in wheels:
        name = wheel["url"].rpartition("/")[2]
        if systems.get(sys.platform, sys.platform) in name and machine in name:
            return wheel
    sys.exit(f"There is no uv wheel for {sys.platform} on {machine}: install uv by hand and run `uv sync`.")


def unpack(data: bytes) -> None:
    TARGET.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        part = TARGET.with_suffix(f".{os.getpid()}")
        part.write_bytes(archive.read(name))
    part.chmod(0o755)
    part.rename(TARGET)


if __name__ == "__main__":
    main()
