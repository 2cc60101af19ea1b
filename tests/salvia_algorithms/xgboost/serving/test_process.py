"""The image's `serve`, as a process: a forked worker that may use several threads answers a large request."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import xgboost as xgb

from salvia_container.serving import frames


def test_a_worker_with_threads_of_its_own_answers_many_rows(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).random((5000, 4), np.float32)
    booster = xgb.train({"max_depth": 4, "nthread": 1}, xgb.DMatrix(rows, rows.sum(axis=1)), 5)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/xgboost-model").write_bytes(booster.save_raw("ubj"))
    given = {"SM_BASE_PATH": str(tmp_path), "SAGEMAKER_MODEL_SERVER_WORKERS": "1", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "salvia_algorithms.xgboost", "serve"]
    with subprocess.Popen(command, env=os.environ | given) as process:
        answer = ask(tmp_path / frames.SOCKET, "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode())
        process.terminate()

    assert process.returncode == 0
    assert answer == ",".join(map(str, booster.predict(xgb.DMatrix(rows)).tolist())).encode()


def ask(place: Path, body: bytes) -> bytes:
    until = time.monotonic() + 60
    while not place.exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(str(place))
        line.sendall(frames.write(frames.ASK, 1, frames.request_head("POST", "/invocations", {}), body))
        reader = frames.Reader()
        while True:
            for frame in reader.feed(line.recv(1 << 20)):
                if frame.kind == frames.ANSWER:
                    return frame.body
