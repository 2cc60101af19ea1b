"""What a forked process must be told again, because libraries decide it when they are loaded: threads and randomness."""

import ctypes
import sys

from salvia_container.launch import kernel

_SETTERS = (
    "omp_set_num_threads",
    "openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "scipy_openblas_set_num_threads64_",
)


def limit(count: int) -> None:
    """Tells every OpenMP and OpenBLAS that is loaded to use `count` threads, as OMP_NUM_THREADS would have at its loading."""
    for path in _loaded():
        library = ctypes.CDLL(path)
        for name in _SETTERS:
            if hasattr(library, name):
                getattr(library, name)(ctypes.c_int(count))


def reseed() -> None:
    """Numpy's global generator was seeded in the template, once for all runs."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _loaded() -> set[str]:
    maps = kernel.read_text("/proc/self/maps")
    paths = {line.rpartition(" ")[2] for line in maps.splitlines() if ".so" in line}
    return {
        path
        for path in paths
        if any(part in path.rpartition("/")[2] for part in ("gomp", "iomp", "libomp", "openblas"))
    }
