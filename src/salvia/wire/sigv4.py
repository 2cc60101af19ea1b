"""Signature version 4: in the Authorization header, or in the query string of a presigned URL."""

import asyncio
import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Coroutine, Iterator, Mapping
from email.utils import parsedate_tz
from functools import lru_cache
from time import gmtime, strftime, strptime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

from salvia.base.call import Caller
from salvia.base.clock import Clock
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential, Credentials
from salvia.wire.signature import UNSIGNED, Family, Refusal, Verified, check_token, refusal
from salvia.wire.sigv2 import verify_presigned

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY = hashlib.sha256().hexdigest()
STREAMING = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
}
_WEEK = 604_800
_LARGE = 256 * 1024  # hashing more than this holds up other requests
_HEADER_PARTS = ("Credential", "Signature", "SignedHeaders")
_QUERY_PARTS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)
_CANONICAL = re.compile(r"(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_LIFETIME = re.compile(r"-?[0-9]+")


class _Claim(NamedTuple):
    """What a request says of its signature."""

    access_key: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: tuple[str, ...]
    listed: str  # the same, as the canonical request lists them


class Verifier:
    """Finds out who signed a request. `max_skew` is in seconds.

    Version 4 wants the path as it was sent, version 2 always one that begins with the bucket: for a URL that says
    AWSAccessKeyId, `raw_path` is in path style even when the host named the bucket.
    """

    def __init__(self, credentials: Credentials, clock: Clock, max_skew: float = 900.0) -> None:
        self._credentials = credentials
        self._clock = clock
        self._max_skew = max_skew

    def verify(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        family: Family,
        body: bytes | None = None,
        *,
        anonymous: bool = False,
    ) -> Coroutine[Any, Any, Verified]:
        """To be awaited at once. Raises AwsError in the words of `family`.

        `raw_path` and `query` are as they came, still percent-encoded; `headers` have lower-case names. `body` is the
        whole body, which is then checked here; None means that it is still to come and wire/body.py will hold it to
        `Verified.payload`; bodies for S3, which may be chunked, always take that way. An unsigned request is ANONYMOUS
        for S3, or where `anonymous` allows it.
        """
        authorization = headers.get("authorization")
        if authorization is not None and not query:  # most requests
            return self._by_header(method, raw_path, query, headers, authorization, family, body)
        return self._by_any(method, raw_path, query, headers, authorization, family, body, anonymous=anonymous)

    def known_root(
        self,
        method: str,
        raw_path: str,
        headers: Mapping[str, str],
        family: Family,
        body: bytes,
        signed_for: tuple[str, str],
    ) -> Caller | None:
        """Root, who signed a request without a query, of another family than S3, for that service and region.

        None for anybody else, and where `verify` would have to wait, or refuses the request. What can be seen without the hashes
        is looked at before them: whoever gets None is verified in full.
        """
        now = self._clock.now()
        try:
            claim, signature, timestamp = self._claimed(headers, headers["authorization"], family, now)
            credential = self._credentials.known(claim.access_key)
            if credential is None or not credential.caller.root or len(body) > _LARGE:
                return None
            if (claim.service, claim.region) != signed_for:
                return None
            token = headers.get("x-amz-security-token")
            if token or credential.token is not None:
                check_token(credential, token, now, family)
            lines = _header_lines(headers, claim, family)
        except AwsError:
            return None
        payload = hashlib.sha256(body).hexdigest()
        canonical = f"{method}\n{_twice_encoded(raw_path)}\n\n{lines}\n{claim.listed}\n{payload}"
        key = signing_key(credential.secret, claim.date, claim.region, claim.service)
        return credential.caller if _signs(key, canonical, timestamp, claim.scope, signature) else None

    async def _by_any(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        authorization: str | None,
        family: Family,
        body: bytes | None,
        *,
        anonymous: bool,
    ) -> Verified:
        presigned = "X-Amz-Algorithm=" in query or "X-Amz-Signature=" in query
        by_version_2 = family is Family.S3 and "AWSAccessKeyId=" in query and "Signature=" in query
        if (authorization is not None) + presigned + by_version_2 > 1:
            raise AwsError(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                "parameter or the Authorization header should be specified",
                code="InvalidArgument",
            )
        if authorization is not None:
            found = await self._by_header(method, raw_path, query, headers, authorization, family, body)
        elif presigned:
            found = await self._by_query(method, raw_path, query, headers, family, body)
        elif by_version_2:
            found = await verify_presigned(self._credentials, method, raw_path, query, headers, self._clock.now())
        elif family is Family.S3 or anonymous:
            found = Verified(payload=_stated_payload(headers) or UNSIGNED)
        else:
            raise refusal(Refusal.MISSING, family)
        return found

    async def _by_header(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        authorization: str,
        family: Family,
        body: bytes | None,
    ) -> Verified:
        now = self._clock.now()
        claim, signature, timestamp = self._claimed(headers, authorization, family, now)
        if family is Family.S3:
            _check_amazon_headers(claim.signed_headers, headers)
        credential = await self._credentials.find(claim.access_key)
        if credential is None:
            raise refusal(Refusal.UNKNOWN_KEY, family)
        check_token(credential, headers.get("x-amz-security-token"), now, family)
        if family is Family.S3 or body is None or len(body) > _LARGE:
            payload = await _payload(headers, family, body)
        else:
            payload = hashlib.sha256(body).hexdigest()
        return _settle(method, raw_path, query, headers, claim, timestamp, payload, credential, signature, family)

    def _claimed(
        self, headers: Mapping[str, str], authorization: str, family: Family, now: float
    ) -> tuple[_Claim, str, str]:
        """What is claimed in time, the signature and the time it was made. Raises AwsError."""
        head, _, signature = authorization.rpartition("Signature=")
        claim = _claim_of_header(head) if len(signature) == 64 else None
        if claim is None:
            claim, signature = _claim_in_any_order(authorization, family)
        timestamp = headers.get("x-amz-date", "")
        moment = _moment(timestamp)
        if moment is None:
            timestamp = _timestamp(headers, family)
            moment = _epoch(timestamp)
        if abs(now - moment) > self._max_skew:
            words = _skew_words(timestamp, moment, now, self._max_skew, family)
            raise refusal(Refusal.SKEWED, family, words)
        if claim.date != timestamp[:8]:
            raise _other_date(claim, timestamp, family)
        return claim, signature, timestamp

    async def _by_query(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        family: Family,
        body: bytes | None,
    ) -> Verified:
        now = self._clock.now()
        stated = {name: unquote(value) for name, _, value in (part.partition("=") for part in query.split("&"))}
        claim = _claim_of_query(stated, family)
        timestamp = stated["X-Amz-Date"]
        self._check_expiry(claim, timestamp, stated["X-Amz-Expires"], now, family)
        if family is Family.S3:
            _check_amazon_headers(claim.signed_headers, headers)
        credential = await self._credentials.find(claim.access_key)
        if credential is None:
            raise refusal(Refusal.UNKNOWN_KEY, family)
        check_token(credential, stated.get("X-Amz-Security-Token"), now, family)
        if "x-amz-content-sha256" in claim.signed_headers:
            payload = await _payload(headers, family, body)
        else:
            payload = UNSIGNED if family is Family.S3 else await _sha256(body or b"")
        rest = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
        signature = stated["X-Amz-Signature"]
        return _settle(method, raw_path, rest, headers, claim, timestamp, payload, credential, signature, family)

    def _check_expiry(self, claim: _Claim, timestamp: str, lifetime: str, now: float, family: Family) -> None:
        if not _LIFETIME.fullmatch(lifetime):
            raise refusal(Refusal.BAD_QUERY, family, "X-Amz-Expires should be a number")
        seconds = int(lifetime[:12])
        if seconds < 0:
            raise refusal(Refusal.BAD_QUERY, family, "X-Amz-Expires must be non-negative")
        if seconds > _WEEK:
            words = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
            raise refusal(Refusal.BAD_QUERY, family, words)
        signed = _epoch(timestamp)
        if now > signed + seconds or now < signed - self._max_skew:
            if family is Family.S3:
                raise AwsError(
                    "Request has expired" if now > signed else "Request is not yet valid",
                    code="AccessDenied",
                    http_status=403,
                )
            allowed = seconds if now > signed else self._max_skew
            raise refusal(Refusal.SKEWED, family, _skew_words(timestamp, signed, now, allowed, family))
        if claim.date != timestamp[:8]:
            raise _other_date(claim, timestamp, family)


def _settle(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    claim: _Claim,
    timestamp: str,
    payload: str,
    credential: Credential,
    signature: str,
    family: Family,
) -> Verified:
    """The verdict on all that a signature is over. Raises AwsError when it is not the one that the secret gives.

    `query` is without the signature itself, `payload` what stands for the body.
    """
    key = signing_key(credential.secret, claim.date, claim.region, claim.service)
    tail = f"{_header_lines(headers, claim, family)}\n{claim.listed}\n{payload}"
    for canonical in _canonical_requests(method, path or "/", query, tail, s3=family is Family.S3):
        if _signs(key, canonical, timestamp, claim.scope, signature):
            return Verified(
                credential.caller, claim.region, claim.service, payload, signature, key, timestamp, claim.scope
            )
    raise refusal(Refusal.MISMATCH, family)


def _header_lines(headers: Mapping[str, str], claim: _Claim, family: Family) -> str:
    """The signed headers as the canonical request has them. Raises AwsError when one is not there."""
    try:
        lines = "".join([f"{name}:{headers[name]}\n" for name in claim.signed_headers])
        if "  " in lines or "\t" in lines or ": " in lines or " \n" in lines or not lines.isascii():
            lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in claim.signed_headers])
    except KeyError:
        raise refusal(Refusal.MISMATCH, family) from None
    return lines


def _signs(key: bytes, canonical: str, timestamp: str, scope: str, signature: str) -> bool:
    """Whether it is the signature of a canonical request."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    expected = _keyed_hash(key, f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}".encode())
    return signature.isascii() and hmac.compare_digest(expected, signature)


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _keyed_hash(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in hex. A key signs a day's requests: what depends on it alone is hashed once, which halves the cost."""
    begun = _begun(key)
    inner, outer = begun[0].copy(), begun[1].copy()
    inner.update(message)
    outer.update(inner.digest())
    return str(outer.hexdigest())


@lru_cache(maxsize=1024)
def _begun(key: bytes) -> tuple[Any, Any]:
    """RFC 2104's two hashes after the padded key, which is no longer than a block."""
    block = key.ljust(64, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def _canonical_requests(method: str, path: str, query: str, tail: str, *, s3: bool) -> Iterator[str]:
    """The request as its signer may have written it down; `tail` begins with the headers.

    Signers agree where nothing needs escaping. Where something does, some sign the path and query string as they send
    them, others decode and encode them again, as AWS does. Both say the same, so both are accepted.
    """
    written = path if s3 else _twice_encoded(path)
    yield f"{method}\n{written}\n{_sorted(query) if query else ''}\n{tail}"
    again = _encoded_again(path)
    if (not s3 or again == path) and _plain_query(query):
        return
    if s3:
        written = again
    yield f"{method}\n{written}\n{_query_encoded_again(query)}\n{tail}"


def _sorted(query: str) -> str:
    parts = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join([f"{name}={value}" for name, value in parts])


def _plain_query(query: str) -> bool:
    return all(_CANONICAL.fullmatch(part) and "/" not in part for part in query.replace("=", "&").split("&"))


def _query_encoded_again(query: str) -> str:
    return _sorted(
        "&".join(
            f"{_quoted(name)}={_quoted(value)}"
            for name, _, value in (part.partition("=") for part in query.split("&"))
            if name
        )
    )


def _quoted(text: str) -> str:
    return quote(unquote_to_bytes(_bytes(text.replace("+", " "))), safe="-_.~")


def _encoded_again(path: str) -> str:
    return path if _CANONICAL.fullmatch(path) else quote(unquote_to_bytes(_bytes(path)), safe="/-_.~")


def _bytes(text: str) -> bytes:
    """What stood on the wire: a path is bytes, read as Latin-1."""
    return text.encode("latin-1", "replace")


@lru_cache(maxsize=256)
def _twice_encoded(path: str) -> str:
    """Everybody but S3: dot segments and empty segments go, and what is already encoded is encoded once more."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    normal = "/" + "/".join(segments)
    if path.endswith("/") and segments:
        normal += "/"
    return quote(normal, safe="/-_.~")


@lru_cache(maxsize=1024)
def _claim_of_header(head: str) -> _Claim | None:
    """Of an Authorization header up to its signature, as every SDK writes it; None when something is different or wrong."""
    written = re.fullmatch(rf"{ALGORITHM} Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?", head)
    try:
        return _claim(written[1], written[2], Family.JSON, Refusal.INCOMPLETE) if written else None
    except AwsError:
        return None


def _claim_in_any_order(authorization: str, family: Family) -> tuple[_Claim, str]:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported(algorithm, family)
    parts = {
        name.strip(): value.strip() for name, _, value in (part.partition("=") for part in re.split(r"[,\s]+", rest))
    }
    missing = [f"Authorization header requires '{name}' parameter." for name in _HEADER_PARTS if not parts.get(name)]
    if missing:
        raise refusal(Refusal.INCOMPLETE, family, " ".join(missing))
    return _claim(parts["Credential"], parts["SignedHeaders"], family, Refusal.INCOMPLETE), parts["Signature"]


def _claim_of_query(stated: Mapping[str, str], family: Family) -> _Claim:
    missing = [name for name in _QUERY_PARTS if not stated.get(name)]
    if missing:
        words = f"Query-string authentication version 4 requires the {', '.join(_QUERY_PARTS)} parameters."
        raise refusal(Refusal.BAD_QUERY, family, words)
    if stated["X-Amz-Algorithm"] != ALGORITHM:
        raise _unsupported(stated["X-Amz-Algorithm"], family)
    if not _STAMP.fullmatch(stated["X-Amz-Date"]):
        words = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        raise refusal(Refusal.BAD_QUERY, family, words)
    return _claim(stated["X-Amz-Credential"], stated["X-Amz-SignedHeaders"], family, Refusal.BAD_QUERY)


def _claim(credential: str, signed_headers: str, family: Family, why: Refusal) -> _Claim:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts) or not credential.isascii():
        words = f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        raise refusal(why, family, words)
    access_key, date, region, service, _ = parts
    names = tuple(signed_headers.lower().split(";"))
    if "host" not in names:
        words = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        raise refusal(why, family, words)
    scope = f"{date}/{region}/{service}/aws4_request"
    return _Claim(access_key, date, region, service, scope, names, ";".join(names))


def _unsupported(algorithm: str, family: Family) -> AwsError:
    if family is Family.S3:
        words = f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}."
        return AwsError(words, code="InvalidRequest")
    return refusal(Refusal.INCOMPLETE, family, f"Unsupported AWS 'algorithm': '{algorithm[:60]}'; use {ALGORITHM}.")


def _timestamp(headers: Mapping[str, str], family: Family) -> str:
    stated = headers.get("x-amz-date") or headers.get("date")
    if not stated:
        words = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise refusal(Refusal.MISSING if family is Family.S3 else Refusal.INCOMPLETE, family, words)
    if _STAMP.fullmatch(stated):
        return stated
    try:
        parsed = parsedate_tz(stated)
        if parsed is not None:
            return _stamp(timegm(parsed[:6]) - (parsed[9] or 0))
    except (ValueError, OverflowError):  # written as a date, but of no calendar
        pass
    words = f"Date must be in ISO-8601 'basic format'. Got '{stated[:60]}'."
    raise refusal(Refusal.INCOMPLETE, family, words)


@lru_cache(maxsize=1024)
def _moment(text: str) -> float | None:
    """Seconds since the epoch of a date as nearly all signers write it."""
    return _epoch(text) if _STAMP.fullmatch(text) else None


def _other_date(claim: _Claim, timestamp: str, family: Family) -> AwsError:
    words = (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        f"'{claim.date}' != '{timestamp[:8]}', from '{timestamp}'."
    )
    return refusal(Refusal.MISMATCH, family, words)


def _check_amazon_headers(names: tuple[str, ...], headers: Mapping[str, str]) -> None:
    """S3 wants every x-amz- header signed; the hash of the body is signed in any case."""
    for name in headers:
        if name.startswith("x-amz-") and name not in names and name != "x-amz-content-sha256":
            raise AwsError(
                f"There were headers present in the request which were not signed: {name}",
                code="AccessDenied",
                http_status=403,
            )


async def _payload(headers: Mapping[str, str], family: Family, body: bytes | None) -> str:
    """What stands for the body in the canonical request."""
    stated = headers.get("x-amz-content-sha256")
    if family is Family.S3:
        if stated is None:
            words = "Missing required header for this request: x-amz-content-sha256"
            raise AwsError(words, code="InvalidRequest")
        return _stated_payload(headers)
    if body is None and stated is not None and _SHA256.fullmatch(stated):
        return stated
    return await _sha256(body or b"")


def _stated_payload(headers: Mapping[str, str]) -> str:
    stated = headers.get("x-amz-content-sha256", "")
    if stated in STREAMING or stated in {UNSIGNED, ""} or _SHA256.fullmatch(stated):
        return stated
    if stated.startswith("STREAMING-AWS4-ECDSA"):
        raise AwsError(
            f"Signature version 4a is not supported; use {ALGORITHM}.", code="NotImplemented", http_status=501
        )
    raise AwsError(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        code="InvalidArgument",
    )


async def _sha256(body: bytes) -> str:
    if not body:
        return EMPTY
    if len(body) <= _LARGE:
        return hashlib.sha256(body).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()


def _epoch(timestamp: str) -> float:
    try:
        return timegm(strptime(timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return 0.0


def _stamp(seconds: float) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(seconds))


def _skew_words(timestamp: str, signed: float, now: float, allowed: float, family: Family) -> str:
    if family is Family.S3:
        return ""
    minutes = f"{allowed / 60:g} min."
    if signed < now:
        return f"Signature expired: {timestamp} is now earlier than {_stamp(now - allowed)} ({_stamp(now)} - {minutes})"
    return f"Signature not yet current: {timestamp} is still later than {_stamp(now + allowed)} ({_stamp(now)} + {minutes})"
