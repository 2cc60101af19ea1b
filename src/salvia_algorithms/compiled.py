"""Functions compiled to machine code by numba: when their module is imported, from the environment's cache where it has them.

A job must never wait for the compiler. The cache is the folder `compiled` of the Python environment, filled when that is
built; a process whose environment has none, or one of other sources or of another CPU, compiles once at import.
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


class InEnvironment:
    """Tells numba where an environment keeps compiled code: named after the source's content, not after its place or time."""

    def __init__(self, function: Callable[..., Any], source: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._source = Path(source)

    @classmethod
    def from_function(cls, function: Callable[..., Any], source: str) -> "InEnvironment":
        return cls(function, source)

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(exist_ok=True)

    def get_cache_path(self) -> str:
        return str(Path(sys.prefix) / "compiled")

    def get_source_stamp(self) -> str:
        return hashlib.sha256(self._source.read_bytes()).hexdigest()

    def get_disambiguator(self) -> str:
        return f"{self._source.parent.name}-{self._line}"


def compiled(*signatures: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compiles a function for these signatures and no others; it runs without the GIL."""

    def compile_now(function: Callable[P, R]) -> Callable[P, R]:
        dispatcher: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
        for signature in signatures:
            with contextlib.suppress(OSError):  # the cache cannot be written: then it is compiled for this process
                dispatcher.compile(signature)
        dispatcher.disable_compile()
        result: Callable[P, R] = dispatcher
        return result

    return compile_now


def part(*, fast: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that compiled functions of the same file call, and that becomes part of them.

    `fast` lets floating-point operations be reordered: not for what must tell NaNs or draw the same numbers.
    """

    def compile_later(function: Callable[P, R]) -> Callable[P, R]:
        result: Callable[P, R] = numba.njit(nogil=True, fastmath=fast, error_model="numpy")(function)
        return result

    return compile_later


_CONFIG: Any = numba.config  # which declares nothing
_CONFIG.CACHE_LOCATOR_CLASSES = f"{__name__}.{InEnvironment.__name__}"
