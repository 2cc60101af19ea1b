"""What the log of one job that prints 100,000 lines a second costs the server, against a row per line and moto.

    python benchmarks/logs/run.py [--seconds 5] [--rate 100000] [--no-moto]

Each design gets the same lines from the same kind of producer, in one run: Salvia (the file is the log), a pipe whose
lines become rows of SQLite (transactions of 500 rows), and moto_server (PutLogEvents of 10,000 events; from PyPI by
uvx when it is not installed). Reported: CPU of the server for a million lines, the longest time its event loop stood
still, how late a line of another job became visible meanwhile, and the CPU of one GetLogEvents page.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from salvia.adapters.logs.store import FileLogStore
from salvia.base.call import Call, Caller
from salvia.base.clock import SystemClock
from salvia.resources.world import World
from salvia.services.logs.events import get_log_events

ACCOUNT, REGION, GROUP = "000000000000", "us-west-2", "/aws/sagemaker/TrainingJobs"
PRODUCER = """
import sys, time
rate, seconds = int(sys.argv[1]), float(sys.argv[2])
block = b"".join(b"[%07d]\\ttrain-rmse:1.25 and so on, until the line has about one hundred characters, newline included\\n"
                 % number for number in range(rate // 100))
start = time.monotonic()
for turn in range(int(seconds * 100)):
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    time.sleep(max(0.0, start + (turn + 1) / 100 - time.monotonic()))
"""


def produce(rate: int, seconds: float, output: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", PRODUCER, str(rate), str(seconds)], stdout=output)


async def salvia(folder: Path, rate: int, seconds: float) -> dict[str, float]:
    store = FileLogStore(folder / "logs", SystemClock())
    await store.start()
    busy = await store.runs.open_file(ACCOUNT, REGION, GROUP, "busy/algo-1")
    quiet = await store.runs.open_file(ACCOUNT, REGION, GROUP, "quiet/algo-1")
    with busy.open("ab") as output:
        producer = produce(rate, seconds, output)
    before = time.process_time()
    await asyncio.to_thread(producer.wait)
    cpu = time.process_time() - before
    with busy.open("ab") as output:
        producer = produce(rate, seconds, output)
    stalls = asyncio.create_task(longest_stall(lambda: producer.poll() is not None))
    delays = await visible_delays(store, quiet, lambda: producer.poll() is not None)
    stall = await stalls
    await store.runs.close_file(ACCOUNT, REGION, GROUP, "busy/algo-1")
    page = await page_cost(store)
    await store.stop()
    lines = int(seconds * 100) * (rate // 100)
    return {
        "cpu": cpu / lines * 1e6,
        "stall": stall,
        "visible_p50": delays[len(delays) // 2],
        "visible_max": delays[-1],
        "page": page,
    }


async def longest_stall(done: Callable[[], bool]) -> float:
    longest = 0.0
    while not done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - before - 0.005)
    return longest


async def visible_delays(store: FileLogStore, path: Path, done: Callable[[], bool]) -> list[float]:
    """A quiet job prints the time; a client polls GetLogEvents every 20 ms."""
    delays: list[float] = []
    token: dict[str, str] = {}
    while not done() or not delays:
        with path.open("a") as file:
            file.write(f"{time.time()}\n")
        answer: dict[str, Any] = {"events": []}
        while not answer["events"]:
            answer = await get_page(store, "quiet/algo-1", startFromHead=True, **token)
            await asyncio.sleep(0 if answer["events"] else 0.02)
        token = {"nextToken": answer["nextForwardToken"]}
        delays.append(time.time() - float(answer["events"][-1]["message"]))
        await asyncio.sleep(0.02)
    return sorted(delays)


async def page_cost(store: FileLogStore) -> float:
    best = float("inf")
    for _ in range(7):
        before = time.process_time()
        answer = await get_page(store, "busy/algo-1", startFromHead=True)
        best = min(best, time.process_time() - before)
    return best / len(answer["events"]) * 1e6


async def get_page(store: FileLogStore, stream: str, **params: Any) -> dict[str, Any]:
    world = cast(World, SimpleNamespace(parts={"log_store": store}, clock=store.clock))
    asked = {"logGroupName": GROUP, "logStreamName": stream, **params}
    caller = Caller(account=ACCOUNT, arn="", user_id="")
    return await get_log_events(world, Call("logs", "GetLogEvents", asked, caller, REGION))


def rows(folder: Path, rate: int, seconds: float) -> dict[str, float]:
    db = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE events (stream INTEGER, id INTEGER PRIMARY KEY, timestamp INTEGER, message TEXT)")
    producer = produce(rate, seconds, subprocess.PIPE)
    assert producer.stdout is not None
    batch: list[tuple[int, int, str]] = []
    lines, before = 0, time.process_time()
    for line in producer.stdout:
        batch.append((1, int(time.time() * 1000), line.decode("utf-8", "replace").rstrip("\n").replace("\t", "#011")))
        if len(batch) == 500:
            lines += len(batch)
            db.execute("BEGIN")
            db.executemany("INSERT INTO events (stream, timestamp, message) VALUES (?,?,?)", batch)
            db.execute("COMMIT")
            batch.clear()
    cpu = time.process_time() - before
    producer.wait()
    best = float("inf")
    for _ in range(7):
        before = time.process_time()
        page = db.execute("SELECT timestamp, message FROM events WHERE stream=1 ORDER BY id LIMIT 8000").fetchall()
        events = [{"timestamp": time_, "ingestionTime": time_, "message": message} for time_, message in page]
        best = min(best, time.process_time() - before)
    db.close()
    return {"cpu": cpu / lines * 1e6, "page": best / len(events) * 1e6}


def moto(folder: Path, lines: int) -> dict[str, float]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    installed = shutil.which("moto_server")
    command = [installed] if installed else ["uvx", "--from", "moto[server]", "moto_server"]
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen([*command, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url)
        pid = _serving(server.pid)
        ask(url, "CreateLogGroup", logGroupName="g")
        ask(url, "CreateLogStream", logGroupName="g", logStreamName="s")
        before = _cpu(pid)
        for start in range(0, lines, 8_000):
            now = int(time.time() * 1000)
            events = [
                {"timestamp": now, "message": f"[{start + number:07d}]#011train-rmse:1.25 {'x' * 68}"}
                for number in range(8_000)
            ]
            ask(url, "PutLogEvents", logGroupName="g", logStreamName="s", logEvents=events)
        cpu = _cpu(pid) - before
        before, count = _cpu(pid), 0
        for _ in range(3):
            answer = ask(url, "GetLogEvents", logGroupName="g", logStreamName="s", startFromHead=True, limit=8_000)
            count += len(answer["events"])
        return {"cpu": cpu / lines * 1e6, "page": (_cpu(pid) - before) / count * 1e6}
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str) -> None:
    for _ in range(600):
        try:
            ask(url, "DescribeLogGroups")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("moto_server did not start")


def ask(url: str, operation: str, **params: Any) -> dict[str, Any]:
    credential = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-west-2/logs/aws4_request"
    headers = {
        "X-Amz-Target": f"Logs_20140328.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"{credential}, SignedHeaders=host, Signature=0",
    }
    request = urllib.request.Request(url, json.dumps(params).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as response:
        answer: dict[str, Any] = json.loads(response.read() or b"{}")
    return answer


def _serving(pid: int) -> int:
    """The process itself, or the child that uvx started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--no-moto", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salvia-bench-logs-") as folder:
        ours = asyncio.run(salvia(Path(folder), options.rate, options.seconds))
        peers = {"a row per line": rows(Path(folder), options.rate, options.seconds)}
        if not options.no_moto:
            peers["moto"] = moto(Path(folder), 80_000)
    print(f"one job, {options.rate} lines/s of 100 bytes for {options.seconds:g} s")
    print(f"{'':18}{'CPU s per 1M lines':>20}{'us per event of a page':>25}")
    print(f"{'Salvia':18}{ours['cpu']:>20.3f}{ours['page']:>25.2f}")
    for name, peer in peers.items():
        ratios = f"   ({peer['cpu'] / max(ours['cpu'], 1e-3):.0f}x, {peer['page'] / ours['page']:.1f}x)"
        print(f"{name:18}{peer['cpu']:>20.3f}{peer['page']:>25.2f}{ratios}")
    print(f"Salvia meanwhile: a line of another job visible after {ours['visible_p50'] * 1e3:.1f} ms (p50),", end=" ")
    print(f"{ours['visible_max'] * 1e3:.1f} ms (max); the loop stood still {ours['stall'] * 1e3:.1f} ms at most")


if __name__ == "__main__":
    main()
