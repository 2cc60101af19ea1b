"""The peers from PyPI, in one environment that is built once, with uv, in the user's cache; benchmarks run inside it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = (
    "numba==0.68.1", "numpy==2.3.5", "pyarrow==26.0.1", "scipy==1.16.3",  # the algorithms' own
    "scikit-learn==1.9.1", "faiss-cpu==1.15.1", "krcf==0.4.0", "jrcf==0.5.0", "rrcf==0.4.4", "river==0.26.1",
    "protobuf==6.33.1", "setuptools<81",
)  # fmt: skip
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}  # CPU time, not luck
ROOT = Path(__file__).parents[2]


def environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salvia" / "benchmarks"
    content = hashlib.sha256(" ".join(PEERS).encode()).hexdigest()[:12]
    final = cache / f"algorithms-{sys.version_info[0]}.{sys.version_info[1]}-{content}"
    if final.is_dir():
        return final
    draft = final.with_name(f".{final.name}-{os.getpid()}")
    uv = str(Path(sys.executable).with_name("uv"))
    try:
        subprocess.run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(draft)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(draft / "bin/python"), *PEERS], check=True)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def run(module: str) -> None:
    """Runs a module of this repository inside that environment, one thread a library."""
    path = f"{ROOT / 'src'}:{ROOT}"
    command = [str(environment() / "bin/python"), "-m", module]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **THREADS, "PYTHONPATH": path})
