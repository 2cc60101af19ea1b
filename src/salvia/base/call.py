"""One request as an operation sees it, and what an operation may answer.

An operation is `async def put_object(world, call) -> dict | Reply`: `call.params` is the parsed and validated input
with the model's member names, the answer a dict with the model's member names (or a Reply, to add what the model has
no member for). Timestamps are floats (seconds since the epoch) on both sides, blobs are bytes.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the request.

    `arn` is what GetCallerIdentity reports; `principal_arn` the IAM role or user whose policies apply
    (for an assumed role, the role). `root` callers are never refused by policy. `session_policy` is "" or a JSON list
    of policies' texts that limit a temporary session to what they allow (an empty list allows nothing).
    """

    account: str
    arn: str
    user_id: str
    access_key: str = ""
    principal_arn: str = ""
    root: bool = False
    session_policy: str = ""
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_tags: tuple[str, ...] = ()  # keys of session tags that go on to the next role
    source_identity: str = ""


ANONYMOUS = Caller(account="", arn="", user_id="anonymous")


class Stream(Protocol):
    """A request body, read once, piece by piece, already decoded from aws-chunked.

    Iterating raises AwsError when what came is not what was signed or declared, so whoever stores the pieces must
    drop them then. `trailers` (lower-case names) is complete after the last piece.
    """

    length: int | None
    trailers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]: ...


@dataclass(slots=True)
class Call:
    service: str  # as botocore names it: "sagemaker", "s3", "sts"
    operation: str
    params: dict[str, Any]
    caller: Caller
    region: str
    request_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    body: Stream | None = None  # where the input shape has a streaming payload member
    source_ip: str = ""  # the peer's address, for the condition key aws:SourceIp; "" when unknown
    secure: bool = False  # it came over TLS

    @property
    def account(self) -> str:
        return self.caller.account


@dataclass(frozen=True, slots=True)
class RawRequest:
    """The request as it came, for what must be passed on rather than understood (an external S3).

    `raw_path` is still percent-encoded and without the query; `query` is the raw query string.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]  # lower-case names
    body: Stream


@dataclass(frozen=True, slots=True)
class FilePiece:
    """`length` bytes of the file at `path`, from `offset`."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FileBody:
    """A response body made of pieces of files, one after the other; never loaded whole."""

    pieces: tuple[FilePiece, ...]

    @property
    def length(self) -> int:
        return sum(piece.length for piece in self.pieces)


class Lasting(dict[str, Any]):
    """Members of an answer that will be given again as they are: who has written them may keep that in `written`."""

    __slots__ = ("written",)
    written: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status or headers that the model does not describe.

    `body` replaces the serialised members altogether: bytes, a FileBody or an async iterator of bytes.
    """

    members: Mapping[str, Any] = field(default_factory=dict)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileBody | AsyncIterator[bytes] | None = None


class Begun(Protocol):
    """An operation that was under way without a task and its coroutines, which cost more than a small answer does.

    It has what it waited for: `answer` gives the members that stand in the head of the response and the one that is its body, or
    None where more has to be done. Then `rest` does it, and answers or raises as the operation itself would have.
    """

    def answer(self) -> tuple[Lasting, bytes] | None: ...

    def rest(self) -> Awaitable[Mapping[str, Any] | Reply]: ...
