"""Peers from PyPI that serve the same model, each in an environment of its own that is built once in the user's cache."""

import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.measured.processes import tree
from benchmarks.measured.requests import exchange

READY_SECONDS = 120.0
_BASE = ("xgboost-cpu==3.0.5", "numpy>=2,<2.4", "scipy<1.17")
_PREDICT = """
import json, os
import numpy as np, xgboost as xgb
booster = xgb.Booster(model_file=os.environ["MODEL"])
booster.set_param({"nthread": 1})
def predict(rows):
    return booster.inplace_predict(np.asarray(rows, np.float32)).tolist()
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """`files` are written beside each other; `command` may name {port}, {bin} and {folder}. `json` is the format of a body of rows."""

    name: str
    packages: tuple[str, ...]
    files: dict[str, str]
    command: tuple[str, ...]
    path: str
    json: str = ""
    needs: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def request(self, port: int, row: bytes) -> bytes:
        body = self.json.replace("ROWS", f"[[{row.decode()}]]").encode() if self.json else row
        kind = "application/json" if self.json else "text/csv"
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body


LITSERVE = Peer(
    "LitServe 0.2.19",
    ("litserve==0.2.19", *_BASE),
    {
        "app.py": _PREDICT
        + textwrap.dedent("""
        import sys
        import litserve as ls
        class API(ls.LitAPI):
            def setup(self, device): pass
            def decode_request(self, request): return request["rows"]
            def predict(self, rows): return predict(rows)
            def encode_response(self, output): return {"predictions": output}
        if __name__ == "__main__":
            ls.LitServer(API(), accelerator="cpu").run(port=int(sys.argv[1]), log_level="error", generate_client_file=False)
        """)
    },
    ("{bin}/python", "app.py", "{port}"),
    "/predict",
    '{"rows": ROWS}',
)
MLFLOW = Peer(
    "MLflow 3.17.2",
    ("mlflow==3.17.2", *_BASE),
    {
        "log.py": textwrap.dedent("""
        import os, mlflow, xgboost as xgb
        mlflow.xgboost.save_model(xgb.Booster(model_file=os.environ["MODEL"]), "saved", pip_requirements=[])
        """)
    },
    (
        "sh",
        "-c",
        "{bin}/python log.py && exec {bin}/mlflow models serve -m saved --env-manager local -p {port} -w 1",
    ),
    "/invocations",
    '{"inputs": ROWS}',
)
BENTOML = Peer(
    "BentoML 1.4.39",
    ("bentoml==1.4.39", *_BASE),
    {
        "service.py": _PREDICT
        + textwrap.dedent("""
        import bentoml
        @bentoml.service(workers=1)
        class Model:
            @bentoml.api
            def predict(self, rows: list) -> list: return predict(rows)
        """)
    },
    ("{bin}/bentoml", "serve", "service:Model", "--port", "{port}"),
    "/predict",
    '{"rows": ROWS}',
    variables={"BENTOML_DO_NOT_TRACK": "True"},
)
RAY = Peer(
    "Ray Serve 2.60.0",
    ("ray[serve]==2.60.0", *_BASE),
    {
        "app.py": _PREDICT
        + textwrap.dedent("""
        import sys, time
        import ray
        from ray import serve
        from starlette.requests import Request
        from starlette.responses import Response
        @serve.deployment(max_ongoing_requests=128)
        class Model:
            async def __call__(self, request: Request):
                body = await request.body()
                return Response(",".join(map(str, predict([body.split(b",")]))), media_type="text/csv")
        if __name__ == "__main__":
            ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)
            serve.start(http_options={"port": int(sys.argv[1])})
            serve.run(Model.bind())
            time.sleep(1e6)
        """)
    },
    ("{bin}/python", "app.py", "{port}"),
    "/",
)
RAY_HAPROXY = replace(RAY, name="Ray Serve 2.60.0, HAProxy", variables={"RAY_SERVE_ENABLE_HA_PROXY": "1"})
MMS = Peer(
    "multi-model-server 1.1.11",
    ("multi-model-server==1.1.11", "setuptools<81", *_BASE),
    {
        "store/model/service.py": _PREDICT
        + textwrap.dedent("""
        def handle(data, context):
            if not data:
                return None
            return [",".join(map(str, predict([each["body"].split(",")]))) for each in data]
        """),
        "store/model/MAR-INF/MANIFEST.json": '{"runtime": "python", "model": {"modelName": "model", "handler": "service:handle"}, '
        '"modelServerVersion": "1.0", "implementationVersion": "1.0", "specificationVersion": "1.0"}',
        "config.properties": "inference_address=http://127.0.0.1:PORT\nmanagement_address=http://127.0.0.1:PORT1\n"
        "default_workers_per_model=1\nenable_envvars_config=false\n",
    },
    (
        "sh",
        "-c",
        "sed -i s/PORT1/$(({port}+1))/\\;s/PORT/{port}/ config.properties && exec {bin}/multi-model-server --start --foreground --mms-config config.properties --model-store store --models model=model",
    ),
    "/predictions/model",
    needs="java",
)
PEERS = {"mms": MMS, "litserve": LITSERVE, "mlflow": MLFLOW, "bentoml": BENTOML, "ray": RAY, "ray-haproxy": RAY_HAPROXY}


class Running:
    """A peer that serves the model, until the block ends. Raises RuntimeError when it does not answer."""

    def __init__(self, peer: Peer, model: Path, row: bytes) -> None:
        self.peer, self.row = peer, row
        self._folder = tempfile.TemporaryDirectory(prefix="salvia-bench-", ignore_cleanup_errors=True)
        self._environment = environment(peer)
        self._model = model
        self.port = _free_port()
        self.request = peer.request(self.port, row)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        for name, text in self.peer.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        fields = {"port": str(self.port), "bin": str(self._environment / "bin"), "folder": str(folder)}
        command = [part.format(**fields) for part in self.peer.command]
        given = {
            **os.environ,
            "MODEL": str(self._model),
            "OMP_NUM_THREADS": "1",
            "PATH": f"{self._environment / 'bin'}:{os.environ['PATH']}",
            **self.peer.variables,
        }
        output = (folder / "output.txt").open("ab")
        with output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=given, stdout=output, stderr=output, start_new_session=True
            )
        until = time.monotonic() + READY_SECONDS
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                said = (folder / "output.txt").read_text()[-1500:]
                self.__exit__(None, None, None)
                raise RuntimeError(f"{self.peer.name} does not answer: {said}")
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        for pid in reversed(tree(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._process.wait()
        self._folder.cleanup()

    def _answers(self) -> bool:
        with suppress(OSError, ValueError):
            return exchange(self.port, self.request)[0] == 200
        return False


def _free_port() -> int:
    """Below 32768: multi-model-server takes no other."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000))) as probe:
            return int(probe.getsockname()[1])


def environment(peer: Peer) -> Path:
    """Raises RuntimeError for a peer that cannot run here."""
    if peer.needs and shutil.which(peer.needs) is None:
        raise RuntimeError(f"{peer.name} needs {peer.needs}, which is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salvia" / "benchmarks"
    digest = hashlib.sha256("\n".join(peer.packages).encode()).hexdigest()[:12]
    kind = peer.name.split()[0].lower()
    final = cache / f"{kind}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    if final.is_dir():
        return final
    draft = final.with_name(f".{final.name}-{os.getpid()}")
    uv = str(Path(sys.executable).with_name("uv"))
    try:
        subprocess.run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(draft)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(draft / "bin/python"), *peer.packages]
        subprocess.run(install, check=True)
        draft.rename(final)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{peer.name} cannot be installed") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final
