"""URLs that boto3 presigns with version 2 are believed, for as long as they say."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from salvia.base.call import Caller
from salvia.base.clock import SystemClock
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential
from salvia.wire.signature import UNSIGNED, Family, Verified
from salvia.wire.sigv4 import Verifier

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TEMPORARY, TOKEN = "ASIAEXAMPLE", "session/token+with=signs"
CALLER = Caller("000000000000", "arn:aws:iam::000000000000:root", "000000000000")


class KnownKeys:
    def known(self, access_key: str) -> Credential | None:
        if access_key == TEMPORARY:
            return Credential(TEMPORARY, SECRET, CALLER, TOKEN)
        return Credential(KEY, SECRET, CALLER) if access_key == KEY else None

    async def find(self, access_key: str) -> Credential | None:
        return self.known(access_key)

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        raise NotImplementedError


class LateClock:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return SystemClock().now() + self.seconds


def presigned(
    path: str,
    method: str = "GET",
    *,
    key: str = KEY,
    secret: str = SECRET,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    request = AWSRequest(method, f"http://127.0.0.1:8321{path}", headers=headers or {})
    HmacV1QueryAuth(Keys(key, secret, token), expires=60).add_auth(request)
    parts = urlsplit(request.url)
    sent = {name.lower(): value for name, value in (headers or {}).items()} | {"host": parts.netloc}
    return {"method": method, "raw_path": parts.path, "query": parts.query, "headers": sent}


async def verify(request: dict[str, Any], late: float = 0) -> Verified:
    return await Verifier(KnownKeys(), LateClock(late)).verify(**request, family=Family.S3)


async def code(request: dict[str, Any], late: float = 0) -> str:
    with pytest.raises(AwsError) as raised:
        await verify(request, late)
    return raised.value.code


@pytest.mark.parametrize(
    "path",
    [
        "/b/k",
        "/b/a%20b%2Bc/%C3%A9",
        "/b?list-type=2&prefix=x",
        "/b/k?versionId=abc&response-content-type=text%2Fplain",
        "/b/k?uploadId=a%2Bb&partNumber=3",
        "/b?uploads",
    ],
)
async def test_a_presigned_url_is_believed(path: str) -> None:
    found = await verify(presigned(path))

    assert (found.caller, found.payload) == (CALLER, UNSIGNED)


async def test_a_presigned_put_with_its_headers_is_believed() -> None:
    headers = {"Content-Type": "text/plain", "x-amz-meta-a": "b", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}

    assert (await verify(presigned("/b/k", "PUT", headers=headers))).caller is CALLER


async def test_headers_that_a_url_carries_need_not_be_sent() -> None:
    request = presigned("/b/k", "PUT", headers={"Content-Type": "text/plain", "x-amz-meta-a": "b"})
    request["headers"] = {"host": "h"}

    assert (await verify(request)).caller is CALLER


async def test_a_session_is_believed_with_its_token() -> None:
    assert (await verify(presigned("/b/k", key=TEMPORARY, token=TOKEN))).caller is CALLER


async def test_a_session_without_its_token_is_unknown() -> None:
    assert await code(presigned("/b/k", key=TEMPORARY)) == "InvalidAccessKeyId"


async def test_a_url_ends_when_it_says() -> None:
    assert (await verify(presigned("/b/k"), late=55)).caller is CALLER
    assert await code(presigned("/b/k"), late=62) == "AccessDenied"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"raw_path": "/b/other"},
        {"headers": {"x-amz-acl": "public-read"}},
        {"headers": {"content-type": "x"}},
    ],
)
async def test_what_was_changed_is_refused(change: dict[str, Any]) -> None:
    assert await code(presigned("/b/k") | change) == "SignatureDoesNotMatch"


async def test_a_later_end_is_refused() -> None:
    request = presigned("/b/k")
    request["query"] += "0"  # Expires stands last

    assert await code(request) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("expires", ["soon", "", "-1", "1e9"])
async def test_an_end_that_is_no_time_is_refused(expires: str) -> None:
    assert (
        await code({**presigned("/b/k"), "query": f"AWSAccessKeyId={KEY}&Signature=x&Expires={expires}"})
        == "AccessDenied"
    )


async def test_a_wrong_secret_or_key_is_refused() -> None:
    assert await code(presigned("/b/k", secret="wrong")) == "SignatureDoesNotMatch"
    assert await code(presigned("/b/k", key="AKIAUNKNOWN")) == "InvalidAccessKeyId"


async def test_a_signature_that_is_not_ascii_is_refused() -> None:
    assert await code({**presigned("/b/k"), "query": f"AWSAccessKeyId={KEY}&Signature=%C3%A9&Expires=99999999999"}) == (
        "SignatureDoesNotMatch"
    )


async def test_version_2_in_a_header_is_refused_with_the_way_out() -> None:
    with pytest.raises(AwsError, match="Please use AWS4-HMAC-SHA256"):
        await verify({"method": "GET", "raw_path": "/", "query": "", "headers": {"authorization": f"AWS {KEY}:c2ln"}})
