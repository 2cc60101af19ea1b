"""What is plugged into the serving stack: one class that loads a model and answers requests for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from salvia_container.training import cpus


@dataclass(slots=True)
class Request:
    """What somebody posted to /invocations. `headers` have lower-case names."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """As the client wrote it, "" when it wrote none."""
        return self.headers.get("content-type", "")

    @property
    def accept(self) -> str:
        """As the client wrote it, "" when it wrote none."""
        return self.headers.get("accept", "")


@dataclass(slots=True)
class Answer:
    """`body` in pieces is sent piece by piece to a client of response streaming, and joined for any other.

    `headers` are more than the content type, with lower-case names.
    """

    body: bytes | Iterator[bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """Raised by `answer` for a request that gets an error: 400 what it holds, 415 its content type, 406 its Accept, 204 nothing to do."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Handler(Protocol):
    """One way to serve. An algorithm or a framework brings one subclass; docs/serving-containers.md shows one whole.

    `together` is the most requests that `answer` may get at once. More than 1 says that the rows of one request have no
    influence on the answer of another: what has queued up is then answered with one prediction. 1: one by one.
    `shared` says that the model may be loaded once, before worker processes are forked, and then be used in each of them.
    It must be False for what starts threads while it loads (torch, TensorFlow) and for code that is not ours.
    """

    together: int = 1
    shared: bool = False

    def load(self, folder: Path) -> Any:
        """The model in `folder` (/opt/ml/model). What it raises ends the container, with the reason in its log."""
        ...

    def answer(self, model: Any, requests: Sequence[Request]) -> Sequence[Answer]:
        """One answer for each request, in their order.

        May raise: a Refusal becomes that status with its message as the body, anything else 500 with the exception's. When
        it raises for several requests, it is called again with each alone, so that one bad request fails only itself.
        """
        ...

    def execution_parameters(self) -> Mapping[str, Any]:
        """What GET /execution-parameters tells batch transform: these three names."""
        return {"MaxConcurrentTransforms": cpus(), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
