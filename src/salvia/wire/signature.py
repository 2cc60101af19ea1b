"""What a signature proves, and how each family of AWS services says that one proves nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from salvia.base.call import ANONYMOUS, Caller
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential

UNSIGNED = "UNSIGNED-PAYLOAD"


class Family(Enum):
    """Services that word a refusal alike. CBOR services belong to JSON."""

    JSON = "json"
    REST_JSON = "rest-json"
    QUERY = "query"
    S3 = "s3"


def family_of(protocol: str) -> Family:
    """By the protocol of the request, as models name it; only S3 speaks rest-xml."""
    return _FAMILIES.get(protocol, Family.JSON)


_FAMILIES = {
    "rest-xml": Family.S3,
    "rest-json": Family.REST_JSON,
    "query": Family.QUERY,
    "ec2": Family.QUERY,
}


@dataclass(slots=True)
class Verified:
    """Who asks, and what of the body the signature covers.

    `payload` is what was signed in place of the body: its SHA-256 in hex, UNSIGNED-PAYLOAD or one of STREAMING-...;
    wire/body.py holds the body to it. `signature`, `signing_key`, `timestamp` and `scope` are where the signatures of
    chunks start from; empty when nothing was signed with version 4.
    """

    caller: Caller = ANONYMOUS
    region: str = ""
    service: str = ""
    payload: str = UNSIGNED
    signature: str = ""
    signing_key: bytes = b""
    timestamp: str = ""
    scope: str = ""


class Refusal(Enum):
    MISSING = auto()
    INCOMPLETE = auto()
    UNKNOWN_KEY = auto()
    INVALID_TOKEN = auto()
    EXPIRED_TOKEN = auto()
    MISMATCH = auto()
    SKEWED = auto()
    BAD_QUERY = auto()


_DIFFERS = "The request signature we calculated does not match the signature you provided. "
_INVALID = "The security token included in the request is invalid."
_DEFAULTS = {
    Refusal.MISSING: "Missing Authentication Token",
    Refusal.UNKNOWN_KEY: _INVALID,
    Refusal.INVALID_TOKEN: _INVALID,
    Refusal.EXPIRED_TOKEN: "The security token included in the request is expired",
    Refusal.MISMATCH: (
        _DIFFERS + "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    ),
}
_S3_DEFAULTS = {
    Refusal.MISSING: "Access Denied",
    Refusal.UNKNOWN_KEY: "The AWS Access Key Id you provided does not exist in our records.",
    Refusal.INVALID_TOKEN: "The provided token is malformed or otherwise invalid.",
    Refusal.EXPIRED_TOKEN: "The provided token has expired.",
    Refusal.MISMATCH: _DIFFERS + "Check your key and signing method.",
    Refusal.SKEWED: "The difference between the request time and the current time is too large.",
}
_JSON_CODES = {
    Refusal.MISSING: "MissingAuthenticationTokenException",
    Refusal.INCOMPLETE: "IncompleteSignatureException",
    Refusal.UNKNOWN_KEY: "UnrecognizedClientException",
    Refusal.INVALID_TOKEN: "UnrecognizedClientException",
    Refusal.EXPIRED_TOKEN: "ExpiredTokenException",
    Refusal.MISMATCH: "InvalidSignatureException",
    Refusal.SKEWED: "InvalidSignatureException",
    Refusal.BAD_QUERY: "IncompleteSignatureException",
}
_QUERY_CODES = {
    Refusal.MISSING: "MissingAuthenticationToken",
    Refusal.INCOMPLETE: "IncompleteSignature",
    Refusal.UNKNOWN_KEY: "InvalidClientTokenId",
    Refusal.INVALID_TOKEN: "InvalidClientTokenId",
    Refusal.EXPIRED_TOKEN: "ExpiredToken",
    Refusal.MISMATCH: "SignatureDoesNotMatch",
    Refusal.SKEWED: "SignatureDoesNotMatch",
    Refusal.BAD_QUERY: "IncompleteSignature",
}
_S3_CODES = {
    Refusal.MISSING: "AccessDenied",
    Refusal.INCOMPLETE: "AuthorizationHeaderMalformed",
    Refusal.UNKNOWN_KEY: "InvalidAccessKeyId",
    Refusal.INVALID_TOKEN: "InvalidToken",
    Refusal.EXPIRED_TOKEN: "ExpiredToken",
    Refusal.MISMATCH: "SignatureDoesNotMatch",
    Refusal.SKEWED: "RequestTimeTooSkewed",
    Refusal.BAD_QUERY: "AuthorizationQueryParametersError",
}
_CODES: Mapping[Family, Mapping[Refusal, str]] = {
    Family.JSON: _JSON_CODES,
    Family.REST_JSON: _JSON_CODES,
    Family.QUERY: _QUERY_CODES,
    Family.S3: _S3_CODES,
}
_S3_BAD_REQUEST = {Refusal.INCOMPLETE, Refusal.INVALID_TOKEN, Refusal.EXPIRED_TOKEN, Refusal.BAD_QUERY}


def refusal(why: Refusal, family: Family, words: str = "") -> AwsError:
    """The error of that family, with its usual words unless others are given."""
    usual = _S3_DEFAULTS if family is Family.S3 else _DEFAULTS
    bad_request = family is Family.JSON or (family is Family.S3 and why in _S3_BAD_REQUEST)
    return AwsError(words or usual.get(why, ""), code=_CODES[family][why], http_status=400 if bad_request else 403)


def check_token(credential: Credential, token: str | None, now: float, family: Family) -> None:
    """A temporary key works with its own token only and until it expires; a long-term key has none."""
    if credential.token is None and not token:
        return
    if credential.token is not None and not token:
        # A temporary key alone is unknown to AWS.
        raise refusal(Refusal.UNKNOWN_KEY, family)
    if token != credential.token:
        raise refusal(Refusal.INVALID_TOKEN, family)
    if credential.expires is not None and now >= credential.expires:
        raise refusal(Refusal.EXPIRED_TOKEN, family)
