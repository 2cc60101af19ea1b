"""`serve`, as a process of its own: loading, several workers, one that dies, and the end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salvia_container.serving import frames

SCRIPT = """
import os, sys
from salvia_container.serving.handler import Answer, Handler
from salvia_container.serving.worker import serve

class Echo(Handler):
    shared = {shared}
    def load(self, folder):
        return (folder / "greeting").read_text()
    def answer(self, model, requests):
        if requests[0].body == b"die":
            os._exit(7)
        return [Answer(f"{{model}} {{os.getpid()}}".encode())]

sys.exit(serve(Echo()))
"""
Served = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    processes = []

    def start(*, shared: bool = True, workers: str = "2", greeting: str | None = "hello") -> "subprocess.Popen[str]":
        (tmp_path / "model").mkdir()
        if greeting is not None:
            (tmp_path / "model/greeting").write_text(greeting)
        given = {"SM_BASE_PATH": str(tmp_path), "SAGEMAKER_MODEL_SERVER_WORKERS": workers, "PYTHONPATH": "src"}
        command = [sys.executable, "-c", SCRIPT.format(shared=shared)]
        processes.append(subprocess.Popen(command, env=os.environ | given, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def ask(folder: Path, body: bytes = b"", line: socket.socket | None = None) -> bytes:
    """The answer's body; b"" when the container hangs up."""
    with contextlib.ExitStack() as closing:
        closing.enter_context(contextlib.suppress(ConnectionError))
        line = line or closing.enter_context(dial(folder))
        line.sendall(frames.write(frames.ASK, 1, frames.request_head("POST", "/invocations", {}), body))
        reader = frames.Reader()
        while data := line.recv(1 << 16):
            for frame in reader.feed(data):
                if frame.kind == frames.ANSWER:
                    return frame.body
    return b""


def dial(folder: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(10)
    end = time.monotonic() + 10
    while True:
        try:
            line.connect(str(folder / frames.SOCKET))
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.005)
        else:
            return line


@pytest.mark.parametrize("shared", [True, False])
def test_connections_are_spread_over_the_workers(served: Served, tmp_path: Path, *, shared: bool) -> None:
    served(shared=shared)
    with dial(tmp_path) as one, dial(tmp_path) as two:
        answers = {ask(tmp_path, line=line) for line in (one, two)}

    assert len(answers) == 2
    assert all(answer.startswith(b"hello ") for answer in answers)


def test_a_worker_that_dies_is_replaced(served: Served, tmp_path: Path) -> None:
    process = served(workers="1")
    first = ask(tmp_path)
    assert ask(tmp_path, b"die") == b""
    while not (second := ask(tmp_path)):
        time.sleep(0.005)

    assert second.startswith(b"hello ")
    assert second != first
    process.terminate()
    assert "A worker process ended with exit code 7; another takes its place" in process.communicate()[0]


@pytest.mark.parametrize("shared", [True, False])
def test_a_model_that_cannot_be_loaded_ends_it_with_the_reason_last(served: Served, *, shared: bool) -> None:
    process = served(shared=shared, greeting=None)
    said = process.communicate(timeout=20)[0]

    assert process.returncode == 1
    assert "AlgorithmError: framework error: FileNotFoundError" in said.strip().splitlines()[-1]


def test_sigterm_ends_all_of_it(served: Served, tmp_path: Path) -> None:
    process = served()
    worker = int(ask(tmp_path).split()[1])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_number_of_workers_that_is_none_is_refused(served: Served) -> None:
    process = served(workers="many")

    assert "SAGEMAKER_MODEL_SERVER_WORKERS must be a number of processes" in process.communicate(timeout=20)[0]
    assert process.returncode == 2
