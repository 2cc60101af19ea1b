"""Signature version 2 in the query string: the URLs that boto3 presigns for an S3 at an endpoint of one's own."""

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

from salvia.base.errors import AwsError
from salvia.ports.credentials import Credentials
from salvia.wire.signature import Family, Refusal, Verified, check_token, refusal

# The arguments that name what is asked for; all others are left out of what is signed.
_SUBRESOURCES = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "select", "select-type", "storageClass", "tagging", "torrent",
    "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip


async def verify_presigned(
    credentials: Credentials, method: str, path: str, query: str, headers: Mapping[str, str], now: float
) -> Verified:
    """`path` is in path style and still percent-encoded. The body is not signed. Raises AwsError in S3's words."""
    arguments = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&")) if name]
    stated = {name: unquote(value) for name, value in arguments}
    missing = [name for name in ("AWSAccessKeyId", "Signature", "Expires") if not stated.get(name)]
    if missing:
        words = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        raise AwsError(words, code="AccessDenied", http_status=403)
    expires = stated["Expires"]
    if not expires.isdecimal():
        words = f"Invalid date (should be seconds since epoch): {expires[:60]}"
        raise AwsError(words, code="AccessDenied", http_status=403)
    if now > int(expires[:15]):
        raise AwsError("Request has expired", code="AccessDenied", http_status=403)
    credential = await credentials.find(stated["AWSAccessKeyId"])
    if credential is None:
        raise refusal(Refusal.UNKNOWN_KEY, Family.S3)
    token = stated.get("x-amz-security-token") or headers.get("x-amz-security-token")
    check_token(credential, token, now, Family.S3)
    lines = [method, _of("content-md5", stated, headers), _of("content-type", stated, headers), expires]
    to_sign = "\n".join([*lines, *_amazon_headers(stated, headers), _resource(path, arguments)])
    digest = hmac.digest(credential.secret.encode(), to_sign.encode("utf-8", "surrogateescape"), "sha1")
    if not hmac.compare_digest(base64.b64encode(digest), stated["Signature"].encode()):
        raise refusal(Refusal.MISMATCH, Family.S3)
    return Verified(credential.caller, service="s3")


def _of(name: str, stated: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """A URL may carry what must be sent as a header too; what is sent is what counts."""
    return headers.get(name) or stated.get(name, "")


def _amazon_headers(stated: Mapping[str, str], headers: Mapping[str, str]) -> list[str]:
    values = {name: value for name, value in stated.items() if name.startswith("x-amz-")}
    values |= {name: value for name, value in headers.items() if name.startswith("x-amz-")}
    return [f"{name}:{values[name].strip()}" for name in sorted(values)]


def _resource(path: str, arguments: list[tuple[str, str]]) -> str:
    asked = sorted(f"{name}={unquote(value)}" if value else name for name, value in arguments if name in _SUBRESOURCES)
    return f"{path}?{'&'.join(asked)}" if asked else path
