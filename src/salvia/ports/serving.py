"""How a run that serves a model is asked: one request, one answer, however the container speaks."""

from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

_NONE: Mapping[str, str] = MappingProxyType({})


class ModelRequest(NamedTuple):
    """What goes to a container's /invocations (or another `path` of its own, such as /models of a multi-model server).

    `headers` have lower-case names: content-type, accept, x-amzn-sagemaker-custom-attributes and so on, as the client gave them.
    """

    body: bytes = b""
    headers: Mapping[str, str] = _NONE
    path: str = "/invocations"
    method: str = "POST"


class ModelAnswer(NamedTuple):
    """What the container said, whatever its status: an error of the model is an answer too.

    `body` comes in pieces only where the container sent it in pieces and the asker said it can take them.
    """

    status: int
    headers: Mapping[str, str] = _NONE  # lower-case names
    body: bytes | AsyncIterator[bytes] = b""


class NoAnswerError(ConnectionError):
    """The container is not there, or went away before it answered. `sent` says whether it may have seen the request."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


class UnsendableError(Exception):
    """What the asker gave cannot be sent: a line break in a header, more than 64 KiB of headers. Nothing was sent."""


Then = Callable[[ModelAnswer | Exception], None]


class Serving(Protocol):
    """Asks runs. Use it from one event loop; requests to one run may be in flight at once, in any number.

    `ask` raises NoAnswerError, UnsendableError, and TimeoutError after `seconds` without the beginning of an answer. Reading a
    body that comes in pieces raises NoAnswerError where it breaks off; a reader that wants no more calls `aclose` on it, if it
    has that.
    """

    async def ask(self, run: str, request: ModelRequest, *, seconds: float, streams: bool = False) -> ModelAnswer: ...

    def begin(self, run: str, request: ModelRequest, seconds: float, then: Then) -> bool:
        """As `ask`, without waiting: `then` is called with what that would have given or raised, once, and not before this returns.

        False, and nothing happens, where there is no connection that the request could go out on now.
        """
        ...

    async def ping(self, run: str) -> bool:
        """Whether the container says it is healthy: GET /ping answers 200. False while it is not up yet."""
        ...

    def forget(self, run: str) -> None:
        """Close what is open to a run that is no longer asked."""
        ...

    async def close(self) -> None: ...
