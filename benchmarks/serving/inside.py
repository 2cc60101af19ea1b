"""The model inside an HTTP process: what an answer costs before there is any platform, and what AWS's container does for it.

python -m benchmarks.serving.inside PORT MODEL

POST /echo gives the body back, POST /predict calls inplace_predict, POST /container goes AWS's container's way: it finds the
delimiter with csv.Sniffer, splits the text in Python, has numpy turn strings into numbers and builds a DMatrix.
"""

import csv
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn
import xgboost as xgb


class Inside:
    def __init__(self, model: str) -> None:
        self.booster = xgb.Booster(model_file=model)
        self.booster.set_param({"nthread": 1})
        self.ways: dict[str, Callable[[bytes], bytes]] = {
            "/echo": bytes,
            "/predict": self.predict,
            "/container": self.container,
        }

    def predict(self, body: bytes) -> bytes:
        rows = np.array([line.split(b",") for line in body.split(b"\n")], np.float32)
        return ",".join(map(str, self.booster.inplace_predict(rows).tolist())).encode()

    def container(self, body: bytes) -> bytes:
        text = body.strip().decode()
        lines = text.split("\n")
        delimiter = csv.Sniffer().sniff(lines[0][:512]).delimiter
        if delimiter.isalnum():
            delimiter = ","
        cells = [[cell or "nan" for cell in line.split(delimiter)] for line in lines]
        scores = self.booster.predict(xgb.DMatrix(np.array(cells).astype(float)), validate_features=False)
        return ",".join(map(str, scores.tolist())).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pieces, more = [], True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = self.ways[scope["path"]](b"".join(pieces))
        headers = [(b"content-type", b"text/csv"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    uvicorn.run(
        Inside(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
