"""DeleteObject and DeleteObjects."""

from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.object_store import Condition, Removal, Removed
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, store_of
from salvia.services.s3.errors import MalformedXml

_MOST = 1000


async def delete_object(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    params = call.params
    condition = Condition(
        (params.get("IfMatch") or "").strip('"'),
        size=params.get("IfMatchSize"),
        modified=params.get("IfMatchLastModifiedTime"),
    )
    removal = Removal(
        params["Key"], params.get("VersionId") or "", condition, bypass=bool(params.get("BypassGovernanceRetention"))
    )
    (removed,) = await store_of(world).versions.remove(bucket.name, [removal])
    if removed.error is not None:
        raise removed.error
    told: dict[str, Any] = {}
    if removed.marker:
        told["DeleteMarker"] = True
    if removed.marker or removed.version:
        told["VersionId"] = removed.marker or removed.version
    return told


async def delete_objects(world: World, call: Call) -> Mapping[str, Any]:
    bucket = await bucket_of(world, call)
    asked = call.params["Delete"]["Objects"]
    if not 1 <= len(asked) <= _MOST:
        raise MalformedXml
    bypass = bool(call.params.get("BypassGovernanceRetention"))
    removed = await store_of(world).versions.remove(bucket.name, [_removal(one, bypass=bypass) for one in asked])
    errors = [_error(one) for one in removed if one.error is not None]
    told: dict[str, Any] = {"Errors": errors} if errors else {}
    if not call.params["Delete"].get("Quiet"):
        told["Deleted"] = [_deleted(one) for one in removed if one.error is None]
    return told


def _removal(asked: Mapping[str, Any], *, bypass: bool) -> Removal:
    condition = Condition(
        (asked.get("ETag") or "").strip('"'), size=asked.get("Size"), modified=asked.get("LastModifiedTime")
    )
    return Removal(asked["Key"], asked.get("VersionId") or "", condition, bypass=bypass)


def _deleted(removed: Removed) -> dict[str, Any]:
    told: dict[str, Any] = {"Key": removed.key}
    if removed.version:
        told["VersionId"] = removed.version
    if removed.marker:
        told |= {"DeleteMarker": True, "DeleteMarkerVersionId": removed.marker}
    return told


def _error(removed: Removed) -> dict[str, Any]:
    error = removed.error
    told = {
        "Key": removed.key,
        "Message": str(error),
        "Code": error.code if isinstance(error, AwsError) else "InternalError",
    }
    return told | ({"VersionId": removed.version} if removed.version else {})
