"""The policy of a browser's POST: who signed it, until when it holds, and what it lets the form say."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salvia.base.call import Caller
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential
from salvia.resources.world import World
from salvia.services.s3.errors import AccessDenied, InvalidArgument

_SIZE = re.compile(r"[0-9]{1,18}")
_UNSIGNED = {"policy", "x-amz-signature", "signature", "awsaccesskeyid", "file"}


@dataclass(frozen=True, slots=True)
class Granted:
    """Who posts, and how many bytes the file may have."""

    caller: Caller
    least: int
    most: int | None


async def granted(world: World, bucket: str, fields: Mapping[str, str]) -> Granted:
    """Raises AccessDenied, or SignatureDoesNotMatch, unless the form is what its policy allows."""
    text = fields.get("policy")
    if text is None:
        raise AccessDenied
    credential = await _verified(world, text, fields)
    policy = _parsed(text)
    if _expiration(policy) <= world.clock.now():
        raise _broken("Policy expired.")
    least, most = _judge(policy, {**fields, "bucket": bucket})
    return Granted(credential.caller, least, most)


async def _verified(world: World, text: str, fields: Mapping[str, str]) -> Credential:
    four = "x-amz-signature" in fields
    given = fields.get("x-amz-credential", "") if four else fields.get("awsaccesskeyid", "")
    access_key, *scope = given.split("/")
    if four and (len(scope) != 4 or scope[2:] != ["s3", "aws4_request"]):
        raise InvalidArgument("X-Amz-Credential", given, "The credential must be KEY/date/region/s3/aws4_request.")
    credential = await world.credentials.find(access_key)
    if credential is None:
        raise AwsError(
            "The AWS Access Key Id you provided does not exist in our records.",
            code="InvalidAccessKeyId",
            http_status=403,
        )
    wanted = _signature_4(credential.secret, scope, text) if four else _signature_2(credential.secret, text)
    shown = fields.get("x-amz-signature" if four else "signature", "")
    if not hmac.compare_digest(wanted.encode(), shown.encode()):
        raise AwsError(
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            code="SignatureDoesNotMatch",
            http_status=403,
        )
    _check_session(credential, fields.get("x-amz-security-token"), world.clock.now())
    return credential


def _signature_4(secret: str, scope: list[str], text: str) -> str:
    key = f"AWS4{secret}".encode()
    for word in scope:
        key = hmac.digest(key, word.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _signature_2(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _check_session(credential: Credential, token: str | None, now: float) -> None:
    if credential.token is not None and not hmac.compare_digest(credential.token.encode(), (token or "").encode()):
        raise AwsError("The provided token is malformed or otherwise invalid.", code="InvalidToken")
    if credential.expires is not None and credential.expires <= now:
        raise AwsError("The provided token has expired.", code="ExpiredToken")


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict) or not isinstance(policy.get("conditions"), list):
        raise AwsError("Invalid Policy: Invalid JSON.", code="InvalidPolicyDocument")
    return policy


def _expiration(policy: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(policy["expiration"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        raise AwsError("Invalid Policy: Invalid 'expiration' value.", code="InvalidPolicyDocument") from None


def _judge(policy: Mapping[str, Any], fields: Mapping[str, str]) -> tuple[int, int | None]:
    """Every condition holds, and every field that is not excepted has one. Returns the range of the file's length."""
    least, most = 0, None
    named = set()
    for condition in policy["conditions"]:
        kind, name, value = _read(condition)
        if kind == "content-length-range":
            least, most = int(name), int(value)
            continue
        named.add(name)
        shown = fields.get(name, "")
        holds = shown.startswith(value) if kind == "starts-with" else shown == value
        if not holds:
            raise _broken(f"Policy Condition failed: {_written(condition)}")
    extra = {name for name in fields if not name.startswith("x-ignore-")} - named - _UNSIGNED - {"bucket"}
    if extra:
        raise _broken(f"Extra input fields: {', '.join(sorted(extra))}")
    return least, most


def _read(condition: object) -> tuple[str, str, str]:
    """(kind, field or least, value or most) of `{"acl": "private"}` or `["starts-with", "$key", "user/"]`."""
    if isinstance(condition, dict) and len(condition) == 1:
        ((name, value),) = condition.items()
        return "eq", str(name).lower(), str(value)
    if isinstance(condition, list) and len(condition) == 3:
        kind = str(condition[0]).lower()
        if kind == "content-length-range" and all(_SIZE.fullmatch(str(size)) for size in condition[1:]):
            return kind, str(condition[1]), str(condition[2])
        if kind in {"eq", "starts-with"}:
            return kind, str(condition[1]).removeprefix("$").lower(), str(condition[2])
    raise AwsError(f"Invalid Policy: Invalid Simple-Condition: {_written(condition)}", code="InvalidPolicyDocument")


def _written(condition: object) -> str:
    try:
        return json.dumps(condition)
    except RecursionError:
        return "one that is nested too deeply"


def _broken(how: str) -> AccessDenied:
    return AccessDenied(f"Invalid according to Policy: {how}")
