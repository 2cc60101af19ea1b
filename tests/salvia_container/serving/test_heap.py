"""What a worker allocates for a request is there for the next."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
from salvia_container.serving import heap

heap.keep()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bodies = [b"x" * (1 << 20) for _ in range(4)]
    del bodies
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has another heap")
def test_pages_that_a_request_needed_are_not_fetched_again_for_the_next() -> None:
    said = subprocess.run([sys.executable, "-c", _FAULTS], check=True, capture_output=True, text=True).stdout

    assert int(said) < 256  # 1024 pages of 4 KiB were written to
