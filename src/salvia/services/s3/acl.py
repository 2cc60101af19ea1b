"""Access control lists. Only what keeps everything with the owner is taken by default; see `check_acl`.

A bucket whose ownership controls allow ACLs keeps them and tells them again, but they open nothing: access is decided by
IAM and bucket policies alone.
"""

from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, owner, store_of
from salvia.services.s3.attributes import check_acl
from salvia.services.s3.reading import version_of

_GROUP = "http://acs.amazonaws.com/groups/global/"
_ALL, _AUTHENTICATED = f"{_GROUP}AllUsers", f"{_GROUP}AuthenticatedUsers"
_CANNED = {
    "public-read": [(_ALL, "READ")],
    "public-read-write": [(_ALL, "READ"), (_ALL, "WRITE")],
    "authenticated-read": [(_AUTHENTICATED, "READ")],
}


async def get_bucket_acl(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    return _told(bucket.account, bucket.documents.get("ACL") or {})


async def put_bucket_acl(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    check_acl(bucket, call.params)
    await store_of(world).buckets.change(bucket.name, {"ACL": _given(bucket.account, call.params)})
    return {}


async def get_object_acl(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    found = await version_of(world, bucket, call.params["Key"], call.params.get("VersionId") or "")
    kept = found.attributes.get("AccessControlPolicy") or {"ACL": found.attributes.get("ACL", "private")}
    return _told(bucket.account, kept)


async def put_object_acl(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    check_acl(bucket, call.params)
    found = await version_of(world, bucket, call.params["Key"], call.params.get("VersionId") or "")
    kept = {**found.attributes, "AccessControlPolicy": _given(bucket.account, call.params)}
    await store_of(world).versions.change(found, attributes=kept)
    return {}


def _given(account: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A canned ACL by name, or the grants of the body or of the headers."""
    if params.get("ACL"):
        return {"ACL": params["ACL"]}
    if params.get("AccessControlPolicy"):
        return {"Grants": params["AccessControlPolicy"].get("Grants") or []}
    grants = [
        {"Grantee": _grantee(one), "Permission": permission}
        for name, permission in _HEADERS.items()
        for one in (params.get(name) or "").split(",")
        if one.strip()
    ]
    return {"Grants": grants or _told(account, {})["Grants"]}


_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}


def _grantee(text: str) -> dict[str, str]:
    """`id="..."`, `uri="..."` or `emailAddress="..."`."""
    kind, _, value = text.strip().partition("=")
    value = value.strip('"')
    if kind == "uri":
        return {"Type": "Group", "URI": value}
    if kind == "emailAddress":
        return {"Type": "AmazonCustomerByEmail", "EmailAddress": value}
    return {"Type": "CanonicalUser", "ID": value}


def _told(account: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    whose = owner(account)
    if "Grants" in kept:
        return {"Owner": whose, "Grants": kept["Grants"]}
    grants = [{"Grantee": {"Type": "CanonicalUser", **whose}, "Permission": "FULL_CONTROL"}]
    grants += [
        {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission}
        for uri, permission in _CANNED.get(kept.get("ACL", "private"), [])
    ]
    return {"Owner": whose, "Grants": grants}
