"""What every crash test has: a data folder of its own, and chance that can be repeated."""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def chance() -> random.Random:
    """SALVIA_TEST_SEED repeats what a failed test printed."""
    seed = os.environ.get("SALVIA_TEST_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"SALVIA_TEST_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails, and with -rP
    return random.Random(seed)


@pytest.fixture
def data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="salvia-crash-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
