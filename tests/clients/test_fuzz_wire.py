"""Requests broken on the wire get a refusal that clients can read: never a 5xx, a hang, a lost connection or a traceback.

SALVIA_TEST_SEED chooses other ways to break them, SALVIA_TEST_FUZZ=10 ten times as many.
"""

import http.client
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.bench import DEPTH, SEED, SERVED, Bench
from tests.clients.judged import faults
from tests.clients.mutated import Mutations
from tests.clients.raw import Raw
from tests.servers import Server

pytestmark = pytest.mark.slow

MUTATIONS = round(25 * DEPTH)  # for an operation
SLOW_SECONDS = 10.0


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    print(f"SALVIA_TEST_SEED={SEED}")  # noqa: T201 - shown with a failure
    with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
        made = Bench(server)
        yield made
        print(f"{made.requests} requests, the server held at most {made.peak_megabytes()} MB")  # noqa: T201


def check(bench: Bench, raw: Raw, service: str, *, sign: bool = True) -> None:
    begun = time.monotonic()
    try:
        answer = bench.send(raw, service, sign=sign)
    except (OSError, http.client.HTTPException) as broken:
        raise AssertionError(f"{shown(raw)}: no answer: {broken!r}\n{bench.trouble()}") from broken
    spent = time.monotonic() - begun
    wrong = faults(answer, head=raw.method == "HEAD")

    assert not wrong, f"{shown(raw)}: {wrong}\n{bench.trouble()}"
    assert spent < SLOW_SECONDS, f"{shown(raw)} took {spent:.1f} s"


def shown(raw: Raw) -> str:
    return repr(raw)[:3000]


@pytest.mark.parametrize(("service", "operation"), SERVED, ids=str)
def test_a_request_broken_on_the_wire_is_refused_or_true(bench: Bench, service: str, operation: str) -> None:
    bench.prepare(service, operation)
    raw = bench.captured(service, operation, bench.right(service, operation))
    assert raw is not None
    mutations = Mutations(zlib.crc32(f"{SEED}{service}{operation}".encode()))
    for _ in range(MUTATIONS):
        check(bench, mutations.one(raw), service)
    trouble = bench.trouble()

    assert not trouble
