"""Requests that botocore signs and that are then changed at will, and the code and status of what comes back."""

import datetime as dt
import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@dataclass(frozen=True)
class Sent:
    """One request as it goes out. `target` is the path with the query."""

    method: str
    target: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str, change: Callable[[str], str]) -> "Sent":
        return replace(self, headers={**self.headers, name: change(self.headers.get(name, ""))})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of an error, in JSON or XML; "" of a success."""
        if self.status < 300:
            return ""
        if self.body.startswith(b"{"):
            return str(json.loads(self.body).get("__type", "")).rpartition("#")[2]
        found = re.search(rb"<Code>(.*?)</Code>", self.body)
        return found[1].decode() if found else ""


# A plain request of each family of services, which root may make.
JSON = Sent(
    "POST",
    "/",
    {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": "application/x-amz-json-1.1"},
    b'{"MaxResults": 7}',
)
QUERY = Sent("POST", "/", FORM, b"Action=GetCallerIdentity&Version=2011-06-15")
S3 = Sent("GET", "/security/secret.txt?response-content-type=text%2Fplain")
FAMILIES = {"sagemaker": JSON, "sts": QUERY, "s3": S3}


@dataclass(frozen=True)
class Signer:
    """Signs for `host`, as somebody, at a moment that is `shift` seconds from now."""

    host: str
    access_key: str
    secret: str
    token: str | None = None
    region: str = "us-west-2"
    shift: float = 0.0

    def sign(self, sent: Sent, service: str) -> Sent:
        request = AWSRequest(sent.method, f"http://{self.host}{sent.target}", dict(sent.headers), sent.body)
        self._add(S3SigV4Auth if service == "s3" else SigV4Auth, request, service)
        return replace(sent, headers=dict(request.headers.items()))

    def presign(self, sent: Sent, seconds: int = 60) -> Sent:
        """For S3: the signature is in the target, and the body is not signed."""
        request = AWSRequest(sent.method, f"http://{self.host}{sent.target}", dict(sent.headers))
        self._add(S3SigV4QueryAuth, request, "s3", expires=seconds)
        parts = urlsplit(str(request.url))
        return replace(sent, target=f"{parts.path}?{parts.query}")

    def _add(self, scheme: type[SigV4Auth], request: AWSRequest, service: str, **more: int) -> None:
        moment = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=self.shift)
        with patch("botocore.auth.get_current_datetime", lambda: moment):
            scheme(Credentials(self.access_key, self.secret, self.token), service, self.region, **more).add_auth(
                request
            )


def send(port: int, sent: Sent, host: str = "127.0.0.1") -> Answer:
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request(sent.method, sent.target, sent.body, dict(sent.headers))
    response = connection.getresponse()
    answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    connection.close()
    return answer
