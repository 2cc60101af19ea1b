"""Who may speak of a bucket: it exists, it is the one the caller means, and it is the caller's or was opened to them."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from salvia.base.call import Call
from salvia.ports.object_errors import NoSuchBucket
from salvia.ports.object_store import Bucket, ObjectStore
from salvia.resources.world import World
from salvia.services.s3.errors import AccessDenied, InvalidArgument

LONGEST_KEY = 1024


def store_of(world: World) -> ObjectStore:
    return cast("ObjectStore", world.parts["object_store"])


async def bucket_of(world: World, call: Call) -> Bucket:
    """The bucket that the call names. Raises NoSuchBucket or AccessDenied; checks the key's form as well."""
    check_key(call.params.get("Key"))
    return await open_bucket(world, call, call.params["Bucket"], call.params.get("ExpectedBucketOwner"))


async def open_bucket(world: World, call: Call, name: str, expected_owner: str | None) -> Bucket:
    bucket = await store_of(world).buckets.find(name)
    if bucket is None:
        raise NoSuchBucket(name)
    if expected_owner is not None and expected_owner != bucket.account:
        raise AccessDenied
    # a policy is judged by the authoriser, before; but root it lets pass unjudged, and root is root of its own account only
    if bucket.account != call.account and (call.caller.root or not _opened(bucket)):
        raise AccessDenied
    return bucket


def _opened(bucket: Bucket) -> bool:
    """Whether the bucket has a policy by which others may come in."""
    policy = policy_of(bucket)
    if policy is None:
        return False
    block = bucket.documents.get("PublicAccessBlockConfiguration") or {}
    return not (block.get("RestrictPublicBuckets") and is_public(policy))


def policy_of(bucket: Bucket) -> dict[str, Any] | None:
    text = bucket.documents.get("Policy")
    return cast("dict[str, Any]", json.loads(text)) if text else None


def bucket_policies(store: ObjectStore) -> Callable[[str], Awaitable[dict[str, Any] | None]]:
    """`world.parts["bucket_policy"]`: the parsed policy of a bucket, None when it has none or is not there."""

    async def bucket_policy(name: str) -> dict[str, Any] | None:
        bucket = await store.buckets.find(name)
        return policy_of(bucket) if bucket is not None else None

    return bucket_policy


def is_public(policy: Mapping[str, Any]) -> bool:
    """Whether anyone at all is allowed something without a condition."""
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        named = principal.get("AWS") if isinstance(principal, dict) else principal
        everyone = named == "*" or (isinstance(named, list) and "*" in named)
        if everyone and statement.get("Effect") == "Allow" and not statement.get("Condition"):
            return True
    return False


def check_key(key: str | None) -> None:
    if key is None:
        return
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidArgument("Key", ascii(key), "An object key must be UTF-8.") from None
    if size > LONGEST_KEY:
        error = InvalidArgument("Key", key, "Your key is too long")
        error.code = "KeyTooLongError"
        error.members |= {"Size": size, "MaxSizeAllowed": LONGEST_KEY}
        raise error


def owner(account: str) -> dict[str, str]:
    """The canonical user of an account: always the same 64 hexadecimal digits."""
    return {"ID": hashlib.sha256(f"canonical user of {account}".encode()).hexdigest()}
