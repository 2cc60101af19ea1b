"""The heap of a worker: what one request needed is kept for the next, rather than given back to the kernel and fetched again."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_KEPT = 32 << 20  # bytes that may lie free: several times the longest body of an invocation
_OF_ITS_OWN = 8 << 20  # bytes of one allocation that goes back in any case


def keep() -> None:
    """Does nothing where the C library is another than glibc.

    Ten thousand rows of csv touch some nine hundred pages, each of which would cost the kernel a fault with every request.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _OF_ITS_OWN)
