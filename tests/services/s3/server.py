"""An S3 server on a real socket for unmodified boto3: the wire, the service and the embedded store, nothing else."""

import http.client
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from types_boto3_s3.client import S3Client

from salvia.adapters.objects.files import FileObjects
from salvia.adapters.objects.s3 import S3Objects
from salvia.base.call import Call, Caller
from salvia.base.clock import SystemClock
from salvia.base.errors import AwsError
from salvia.model.load import Models
from salvia.ports.credentials import Credential
from salvia.resources.world import World
from salvia.services import s3 as service
from salvia.services.iam.authorize import authorizer
from salvia.settings import Settings
from salvia.wire.server import Wire
from tests.wire.serving import serving

ACCOUNT, OTHER_ACCOUNT = "123456789012", "999999999999"
KEY, SECRET = "AKIASALVIATEST000001", "a/secret+with0symbols"
OTHER_KEY, OTHER_SECRET = "AKIASALVIATEST000002", "another-secret"
TOKEN_KEY, TOKEN_SECRET, TOKEN = "ASIASALVIATEST000003", "session-secret", "session-token/with+symbols=="


class FixedCredentials:
    def known(self, access_key: str) -> Credential | None:
        return {credential.access_key: credential for credential in _CREDENTIALS}.get(access_key)

    async def find(self, access_key: str) -> Credential | None:
        return self.known(access_key)

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        raise NotImplementedError


def _root(account: str, access_key: str) -> Caller:
    return Caller(
        account, f"arn:aws:iam::{account}:root", account, access_key, f"arn:aws:iam::{account}:root", root=True
    )


_CREDENTIALS = (
    Credential(KEY, SECRET, _root(ACCOUNT, KEY)),
    Credential(OTHER_KEY, OTHER_SECRET, _root(OTHER_ACCOUNT, OTHER_KEY)),
    Credential(TOKEN_KEY, TOKEN_SECRET, _root(ACCOUNT, TOKEN_KEY), TOKEN, 4e9),
)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Server:
    url: str

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port
        return port

    def client(
        self,
        key: str = KEY,
        secret: str = SECRET,
        *,
        token: str | None = None,
        region: str = "us-east-1",
        **config: Any,
    ) -> S3Client:
        options: dict[str, Any] = {
            "retries": {"total_max_attempts": 1},
            "connect_timeout": 5,
            "read_timeout": 30,
        } | config
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name=region,
            config=Config(**options),
        )

    def ask(self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Plain HTTP; `target` is a path or one of this server's URLs."""
        parts = urlsplit(target)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
        finally:
            connection.close()


def forwarding(objects: S3Objects) -> Wire:
    """The wire before an external S3: verified here, judged here, and passed on."""

    async def authorize(call: Call) -> None:
        if not call.caller.root:
            raise AwsError("Access Denied", code="AccessDenied", http_status=403)

    settings = Settings(account=ACCOUNT, region="us-east-1")
    raw = {"s3": objects.forward}
    return Wire(Models(), {}, FixedCredentials(), authorize, SystemClock(), settings, raw=raw)


def compose(objects: FileObjects) -> Wire:
    nothing = cast("Any", None)
    settings = Settings(account=ACCOUNT, region="us-east-1")
    credentials = FixedCredentials()
    world = World(settings, SystemClock(), nothing, credentials, objects, nothing, nothing, nothing, nothing, nothing)
    world.parts["object_store"] = objects.store
    world.parts["bucket_policy"] = service.bucket_policies(objects.store)
    authorize = authorizer(world)
    world.parts["authorize"] = authorize
    operations = {name: partial(operation, world) for name, operation in service.SERVICE.operations.items()}
    return Wire(Models(), {"s3": operations}, credentials, authorize, world.clock, settings)


def listening(wire: Wire, stop: Callable[[], Awaitable[None]] | None = None) -> Iterator[str]:
    """The URL of a server that runs in a thread of its own until the test is over."""
    with serving(wire.handle, stop=stop) as url:
        yield url


class refused:  # noqa: N801 — reads as a word in a with statement
    """`with refused("NoSuchKey", 404): ...` — the block must raise exactly that."""

    response: Any

    def __init__(self, code: str, status: int) -> None:
        self.code, self.status = code, status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        assert isinstance(error, ClientError), f"expected {self.code}, got {error!r}"
        shown = error.response["Error"].get("Code"), error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert shown == (self.code, self.status)
        self.response = error.response
        return True
