"""Environments of peers: built once, with uv, in the user's cache, apart from everything that Salvia needs."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def environment(name: str, packages: Sequence[str]) -> Path:
    """The folder of a virtual environment that has `packages`, as pip names them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salvia" / "benchmarks"
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    final = cache / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    if final.is_dir():
        return final
    draft = final.with_name(f".{final.name}-{os.getpid()}")
    uv = str(Path(sys.executable).with_name("uv"))
    python = str(draft / "bin/python")
    try:
        subprocess.run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(draft)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages], check=True
        )
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final
