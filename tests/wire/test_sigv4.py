"""Requests signed by botocore are believed; anything else is refused in the words of the service asked."""

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from hypothesis import given
from hypothesis import strategies as st

from salvia.base.call import ANONYMOUS, Caller
from salvia.base.clock import SystemClock
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential
from salvia.wire.signature import Family, Verified, family_of
from salvia.wire.sigv4 import Verifier

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TEMPORARY, TOKEN = "ASIAEXAMPLE", "session/token+with=signs"
CALLER = Caller("000000000000", "arn:aws:iam::000000000000:root", "000000000000")
ENDPOINT = "http://127.0.0.1:8321"


class KnownKeys:
    """Two keys: a long-term one and a temporary one."""

    def __init__(self) -> None:
        self.expires = SystemClock().now() + 3600

    def known(self, access_key: str) -> Credential | None:
        if access_key == KEY:
            return Credential(KEY, SECRET, CALLER)
        if access_key == TEMPORARY:
            return Credential(TEMPORARY, SECRET, CALLER, TOKEN, self.expires)
        return None

    async def find(self, access_key: str) -> Credential | None:
        return self.known(access_key)

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        raise NotImplementedError


class LateClock:
    """The machine's clock, moved."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return SystemClock().now() + self.seconds


Change = Callable[[dict[str, Any]], None]


def signed(
    path: str = "/",
    *,
    method: str = "POST",
    body: bytes = b"{}",
    key: str = KEY,
    secret: str = SECRET,
    token: str | None = None,
    signer: type = SigV4Auth,
    service: str = "sagemaker",
    headers: dict[str, str] | None = None,
    expires: int | None = None,
    region: str = "us-west-2",
) -> dict[str, Any]:
    """What arrives when botocore signed it, as the arguments of `verify`."""
    request = AWSRequest(method, ENDPOINT + path, headers=headers or {}, data=body)
    if signer in {S3SigV4Auth, S3SigV4QueryAuth}:
        request.context["client_config"] = None
    more = {} if expires is None else {"expires": expires}
    signer(Keys(key, secret, token), service, region, **more).add_auth(request)
    parts = urlsplit(request.url)
    arrived = {name.lower(): value for name, value in request.headers.items()} | {"host": parts.netloc}
    return {"method": method, "raw_path": parts.path, "query": parts.query, "headers": arrived, "body": body}


async def verify(request: dict[str, Any], family: Family = Family.JSON, late: float = 0) -> Verified:
    return await Verifier(KnownKeys(), LateClock(late)).verify(**request, family=family)


async def refused(request: dict[str, Any], family: Family = Family.JSON, late: float = 0) -> AwsError:
    with pytest.raises(AwsError) as raised:
        await verify(request, family, late)
    return raised.value


async def test_a_signed_request_names_its_caller() -> None:
    found = await verify(signed())

    assert found.caller is CALLER
    assert (found.region, found.service) == ("us-west-2", "sagemaker")
    assert found.payload == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize(
    "path",
    [
        "/endpoints/my%20name/invocations",
        "/a//b/../c/./d/",
        "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations?Qualifier=%24LATEST&a=1&a=0",
        "/x?b=2&a=1&flag",
        "/?name=a%2Bb%20c~d",
        "/FeatureGroup/f%C3%A9",
    ],
)
async def test_paths_and_queries_of_any_service_but_s3_verify(path: str) -> None:
    assert (await verify(signed(path, method="GET", body=b""), Family.REST_JSON)).caller is CALLER


@pytest.mark.parametrize(
    "path",
    [
        "/b/key",
        "/b//a/../x/./y",
        "/b/a%20b%2Bc%25d~e",
        "/b?list-type=2&prefix=a%2Fb&delimiter=%2F",
        "/b/k?uploads",
        "/b/%F0%9F%98%80",
    ],
)
async def test_paths_of_s3_are_signed_as_they_are(path: str) -> None:
    found = await verify(signed(path, method="PUT", body=b"data", signer=S3SigV4Auth, service="s3"), Family.S3)

    assert found.payload == hashlib.sha256(b"data").hexdigest()


KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(KEYS, KEYS)
async def test_any_key_and_any_argument_verify(key: str, value: str) -> None:
    path = f"/bucket/{quote(key, safe='/~')}?prefix={quote(value, safe='-_.~')}&acl"

    assert (
        await verify(signed(path, method="GET", body=b"", signer=S3SigV4Auth, service="s3"), Family.S3)
    ).caller is CALLER


async def test_a_signer_that_encodes_again_is_believed_too() -> None:
    request = signed("/bucket/a%2Bb%20c", method="GET", body=b"", signer=S3SigV4Auth, service="s3")
    request["raw_path"] = "/bucket/a+b%20c"  # sent as curl would, signed as AWS reads it

    assert (await verify(request, Family.S3)).caller is CALLER


async def test_headers_are_trimmed_before_they_are_compared() -> None:
    request = signed(headers={"X-Amz-Meta-A": "one two"})
    request["headers"]["x-amz-meta-a"] = "  one   two "

    assert (await verify(request)).caller is CALLER


async def test_a_date_header_serves_as_well() -> None:
    assert (await verify(signed(headers={"Date": "x"}))).timestamp


async def test_the_parts_of_the_header_may_come_in_any_order() -> None:
    request = signed()
    algorithm, credential, names, signature = request["headers"]["authorization"].split(" ")
    request["headers"]["authorization"] = f"{algorithm} {signature},{credential}  {names.rstrip(',')}"

    assert (await verify(request)).caller is CALLER


def changed(**new: Any) -> Change:
    def change(request: dict[str, Any]) -> None:
        request.update(new)

    return change


def header(name: str, value: str | None) -> Change:
    def change(request: dict[str, Any]) -> None:
        request["headers"].pop(name, None)
        if value is not None:
            request["headers"][name] = value

    return change


@pytest.mark.parametrize(
    "tamper",
    [
        changed(body=b"{ }"),
        changed(method="PUT"),
        changed(raw_path="/other"),
        changed(query="a=1"),
        header("x-amz-target", "SageMaker.DeleteModel"),
        header("x-amz-target", None),
        header("host", "elsewhere"),
    ],
)
async def test_what_was_changed_after_signing_is_refused(tamper: Change) -> None:
    request = signed(headers={"X-Amz-Target": "SageMaker.ListModels"})
    tamper(request)

    error = await refused(request)

    assert (error.code, error.http_status) == ("InvalidSignatureException", 400)
    assert error.message.startswith("The request signature we calculated does not match the signature you provided.")


@pytest.mark.parametrize(
    ("family", "code", "status"),
    [
        (Family.JSON, "InvalidSignatureException", 400),
        (Family.REST_JSON, "InvalidSignatureException", 403),
        (Family.QUERY, "SignatureDoesNotMatch", 403),
    ],
)
async def test_a_wrong_secret_is_refused_in_the_words_of_the_family(family: Family, code: str, status: int) -> None:
    error = await refused(signed(secret="wrong"), family)

    assert (error.code, error.http_status) == (code, status)


@pytest.mark.parametrize(
    ("family", "code", "status"),
    [
        (Family.JSON, "UnrecognizedClientException", 400),
        (Family.REST_JSON, "UnrecognizedClientException", 403),
        (Family.QUERY, "InvalidClientTokenId", 403),
    ],
)
async def test_an_unknown_key_is_refused_in_the_words_of_the_family(family: Family, code: str, status: int) -> None:
    error = await refused(signed(key="AKIAUNKNOWN"), family)

    assert (error.code, error.http_status) == (code, status)
    assert error.message == "The security token included in the request is invalid."


@pytest.mark.parametrize(
    ("family", "code", "status"),
    [
        (Family.JSON, "MissingAuthenticationTokenException", 400),
        (Family.REST_JSON, "MissingAuthenticationTokenException", 403),
        (Family.QUERY, "MissingAuthenticationToken", 403),
    ],
)
async def test_an_unsigned_request_is_refused(family: Family, code: str, status: int) -> None:
    request = signed()
    del request["headers"]["authorization"]

    error = await refused(request, family)

    assert (error.code, error.http_status, error.message) == (code, status, "Missing Authentication Token")


async def test_s3_and_unsigned_operations_may_be_asked_by_anybody() -> None:
    bare = {"method": "GET", "raw_path": "/b/k", "query": "", "headers": {"host": "h"}}

    assert (await verify(bare, Family.S3)).caller is ANONYMOUS
    assert (await verify(bare | {"anonymous": True}, Family.QUERY)).caller is ANONYMOUS


async def test_a_session_works_with_its_token() -> None:
    assert (await verify(signed(key=TEMPORARY, token=TOKEN))).caller is CALLER


@pytest.mark.parametrize(
    ("family", "key", "token", "late", "code", "status"),
    [
        (Family.JSON, TEMPORARY, "another", 0, "UnrecognizedClientException", 400),
        (Family.QUERY, TEMPORARY, "another", 0, "InvalidClientTokenId", 403),
        (Family.S3, TEMPORARY, "another", 0, "InvalidToken", 400),
        (Family.JSON, TEMPORARY, None, 0, "UnrecognizedClientException", 400),
        (Family.S3, TEMPORARY, None, 0, "InvalidAccessKeyId", 403),
        (Family.JSON, KEY, "surplus", 0, "UnrecognizedClientException", 400),
        (Family.S3, KEY, "surplus", 0, "InvalidToken", 400),
        (Family.JSON, TEMPORARY, TOKEN, 1, "ExpiredTokenException", 400),
        (Family.QUERY, TEMPORARY, TOKEN, 1, "ExpiredToken", 403),
        (Family.S3, TEMPORARY, TOKEN, 1, "ExpiredToken", 400),
    ],
)
async def test_a_wrong_missing_or_expired_token_is_refused(
    family: Family, key: str, token: str | None, late: float, code: str, status: int
) -> None:
    keys = KnownKeys()
    keys.expires = SystemClock().now() - late + 0.5 * (late == 0) * 7200
    signer = S3SigV4Auth if family is Family.S3 else SigV4Auth
    request = signed(key=key, token=token, signer=signer)

    with pytest.raises(AwsError) as raised:
        await Verifier(keys, SystemClock()).verify(**request, family=family)

    assert (raised.value.code, raised.value.http_status) == (code, status)


@pytest.mark.parametrize("late", [-899, 899])
async def test_a_clock_may_be_wrong_by_a_quarter_of_an_hour(late: float) -> None:
    assert (await verify(signed(), late=late)).caller is CALLER


@pytest.mark.parametrize(
    ("family", "late", "code", "status", "words"),
    [
        (Family.JSON, 1000, "InvalidSignatureException", 400, r"^Signature expired: \d{8}T\d{6}Z is now earlier than .* - 15 min\.\)$"),
        (Family.JSON, -1000, "InvalidSignatureException", 400, r"^Signature not yet current: .* is still later than .* \+ 15 min\.\)$"),
        (Family.QUERY, 1000, "SignatureDoesNotMatch", 403, "^Signature expired: "),
        (Family.S3, 1000, "RequestTimeTooSkewed", 403, "^The difference between the request time and the current time is too large"),
        (Family.S3, -1000, "RequestTimeTooSkewed", 403, ""),
    ],
)  # fmt: skip
async def test_a_clock_that_is_further_off_is_refused(
    family: Family, late: float, code: str, status: int, words: str
) -> None:
    error = await refused(signed(signer=S3SigV4Auth), family, late)

    assert (error.code, error.http_status) == (code, status)
    assert re.search(words, error.message)


async def test_the_date_of_the_scope_must_be_that_of_the_request() -> None:
    request = signed()
    date = request["headers"]["x-amz-date"][:8]
    request["headers"]["authorization"] = request["headers"]["authorization"].replace(f"/{date}/", "/20200101/")

    error = await refused(request)

    assert error.message.startswith("Date in Credential scope does not match YYYYMMDD")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("AWS4-HMAC-SHA256 ", "'Credential' parameter. Authorization header requires 'Signature' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00", "exactly 5 slash-delimited elements"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'"),
        ("AWS4-HMAC-SHA256 Credential=\udcff/b/c/d/aws4_request, SignedHeaders=host, Signature=0", "exactly 5 slash"),
        ("Bearer token", "Unsupported AWS 'algorithm': 'Bearer'"),
        ("", "Unsupported AWS 'algorithm'"),
    ],
)
async def test_an_authorization_that_makes_no_sense_is_explained(value: str, words: str) -> None:
    request = signed()
    request["headers"]["authorization"] = value

    error = await refused(request)

    assert error.code == "IncompleteSignatureException"
    assert words in error.message


@pytest.mark.parametrize(
    "date",
    [
        "Thu, 01 Jan 99999999 00:00:00 GMT",
        "Mon, 99 Jan 0 99:99:99 +9999",
        "\u0662\u0660\u0662\u0664\u0660\u0661\u0660\u0661T\u0660\u0660\u0660\u0660\u0660\u0660Z",
    ],
)
async def test_a_date_of_no_calendar_is_explained(date: str) -> None:
    request = signed()
    request["headers"]["x-amz-date"] = date

    assert (await refused(request)).code in {"IncompleteSignatureException", "InvalidSignatureException"}


async def test_a_request_without_a_date_is_explained() -> None:
    request = signed()
    del request["headers"]["x-amz-date"]

    assert "'X-Amz-Date' or a 'Date' header" in (await refused(request)).message


async def test_the_host_must_be_signed() -> None:
    request = signed()
    request["headers"]["authorization"] = request["headers"]["authorization"].replace("host;", "")

    assert "'Host' or ':authority' must be a 'SignedHeader'" in (await refused(request)).message


async def test_s3_wants_every_amazon_header_signed() -> None:
    request = signed("/b/k", method="PUT", signer=S3SigV4Auth, service="s3")
    request["headers"]["x-amz-acl"] = "public-read"

    error = await refused(request, Family.S3)

    assert (error.code, error.http_status) == ("AccessDenied", 403)
    assert "x-amz-acl" in error.message


@pytest.mark.parametrize(
    ("value", "code", "status"),
    [
        ("abc", "InvalidArgument", 400),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented", 501),
        ("UNSIGNED-PAYLOAD", "SignatureDoesNotMatch", 403),
    ],
)
async def test_s3_is_told_how_the_body_was_signed(value: str, code: str, status: int) -> None:
    request = signed("/b/k", method="PUT", signer=S3SigV4Auth, service="s3")
    header("x-amz-content-sha256", value)(request)

    error = await refused(request, Family.S3)

    assert (error.code, error.http_status) == (code, status)


async def test_s3_must_be_told_how_the_body_was_signed() -> None:
    request = signed("/b/k", method="PUT", signer=S3SigV4Auth, service="s3")
    headers = request["headers"]
    del headers["x-amz-content-sha256"]
    headers["authorization"] = headers["authorization"].replace("x-amz-content-sha256;", "")

    assert (await refused(request, Family.S3)).code == "InvalidRequest"


def presigned(path: str, signer: type = S3SigV4QueryAuth, **more: Any) -> dict[str, Any]:
    service = "s3" if signer is S3SigV4QueryAuth else "sts"
    given: dict[str, Any] = {"method": "GET", "body": b"", "signer": signer, "service": service, "expires": 60}
    return signed(path, **given | more)


@pytest.mark.parametrize("path", ["/b/k", "/b/a%20b%2Bc?versionId=3&response-content-type=text%2Fplain"])
async def test_a_presigned_url_of_s3_is_believed(path: str) -> None:
    found = await verify(presigned(path), Family.S3)

    assert (found.caller, found.payload) == (CALLER, "UNSIGNED-PAYLOAD")


async def test_a_presigned_url_of_a_session_is_believed() -> None:
    assert (await verify(presigned("/b/k", key=TEMPORARY, token=TOKEN), Family.S3)).caller is CALLER


async def test_a_presigned_call_of_sts_is_believed() -> None:
    request = presigned("/?Action=GetCallerIdentity&Version=2011-06-15", SigV4QueryAuth)

    assert (await verify(request, Family.QUERY)).caller is CALLER


async def test_a_presigned_put_may_carry_any_body_but_no_unsigned_header() -> None:
    request = presigned("/b/k", method="PUT")
    assert (await verify(request | {"body": b"anything"}, Family.S3)).caller is CALLER

    request["headers"]["x-amz-acl"] = "public-read"

    assert (await refused(request, Family.S3)).code == "AccessDenied"


@pytest.mark.parametrize(("late", "words"), [(61, "Request has expired"), (-1000, "Request is not yet valid")])
async def test_a_presigned_url_has_its_time(late: float, words: str) -> None:
    error = await refused(presigned("/b/k"), Family.S3, late)

    assert (error.code, error.http_status, error.message) == ("AccessDenied", 403, words)


async def test_an_expired_presigned_call_is_worded_by_its_family() -> None:
    error = await refused(presigned("/?Action=GetCallerIdentity", SigV4QueryAuth), Family.QUERY, 61)

    assert error.code == "SignatureDoesNotMatch"
    assert error.message.startswith("Signature expired: ")


@pytest.mark.parametrize(
    ("expires", "words"),
    [
        (604_801, "less than a week"),
        (-1, "non-negative"),
        ("soon", "should be a number"),
        ("--5", "should be a number"),
    ],
)
async def test_a_presigned_url_lives_a_week_at_most(expires: Any, words: str) -> None:
    error = await refused(presigned("/b/k", expires=expires), Family.S3)

    assert (error.code, error.http_status) == ("AuthorizationQueryParametersError", 400)
    assert words in error.message


@pytest.mark.parametrize("gone", ["X-Amz-Credential", "X-Amz-Expires", "X-Amz-Date", "X-Amz-SignedHeaders"])
async def test_a_presigned_url_must_be_whole(gone: str) -> None:
    request = presigned("/b/k")
    request["query"] = "&".join(part for part in request["query"].split("&") if not part.startswith(gone))

    assert (await refused(request, Family.S3)).code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("change", [changed(raw_path="/b/other"), changed(method="PUT")])
async def test_a_changed_presigned_url_is_refused(change: Change) -> None:
    request = presigned("/b/k")
    change(request)

    assert (await refused(request, Family.S3)).code == "SignatureDoesNotMatch"


async def test_one_way_to_sign_is_enough() -> None:
    request = presigned("/b/k")
    request["headers"]["authorization"] = "AWS4-HMAC-SHA256 x"

    assert (await refused(request, Family.S3)).code == "InvalidArgument"


async def test_a_large_body_is_hashed_too() -> None:
    body = b"x" * 1_000_000

    assert (await verify(signed(body=body))).caller is CALLER
    assert (await refused(signed(body=body) | {"body": body + b"y"})).code == "InvalidSignatureException"


@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-amz-date", "date", "host", "x-amz-content-sha256"]), st.text()
    ),
    st.text(),
)
async def test_no_nonsense_raises_anything_but_an_aws_error(headers: dict[str, str], query: str) -> None:
    for family in Family:
        try:
            found = await verify({"method": "GET", "raw_path": "/", "query": query, "headers": headers}, family)
        except AwsError:
            continue
        assert found.caller is ANONYMOUS


def test_every_protocol_has_a_family() -> None:
    protocols = ["json", "smithy-rpc-v2-cbor", "rest-json", "query", "rest-xml"]

    assert [family_of(protocol).value for protocol in protocols] == ["json", "json", "rest-json", "query", "s3"]
