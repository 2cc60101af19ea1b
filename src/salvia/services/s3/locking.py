"""Object lock: retentions and legal holds of versions. A locked version is not deleted; see the store's `remove`."""

from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.object_errors import ObjectIsLocked
from salvia.ports.object_store import Bucket, Version
from salvia.resources.world import World
from salvia.services.s3.access import bucket_of, store_of
from salvia.services.s3.errors import InvalidRequest, MalformedXml
from salvia.services.s3.reading import version_of


async def get_object_retention(world: World, call: Call) -> Mapping[str, Any]:
    _, found = await _lockable(world, call)
    if not found.attributes.get("ObjectLockMode"):
        raise _missing()
    return {
        "Retention": {
            "Mode": found.attributes["ObjectLockMode"],
            "RetainUntilDate": found.attributes["ObjectLockRetainUntilDate"],
        }
    }


async def put_object_retention(world: World, call: Call) -> Mapping[str, Any]:
    _, found = await _lockable(world, call)
    asked = call.params.get("Retention")
    if asked is None or bool(asked.get("Mode")) != bool(asked.get("RetainUntilDate")):
        raise MalformedXml
    _refuse_weaker(found, asked, world.clock.now(), bypass=bool(call.params.get("BypassGovernanceRetention")))
    kept = {name: value for name, value in found.attributes.items() if name not in _RETENTION}
    if asked:
        kept |= {"ObjectLockMode": asked["Mode"], "ObjectLockRetainUntilDate": asked["RetainUntilDate"]}
    await store_of(world).versions.change(found, attributes=kept)
    return {}


async def get_object_legal_hold(world: World, call: Call) -> Mapping[str, Any]:
    _, found = await _lockable(world, call)
    if not found.attributes.get("ObjectLockLegalHoldStatus"):
        raise _missing()
    return {"LegalHold": {"Status": found.attributes["ObjectLockLegalHoldStatus"]}}


async def put_object_legal_hold(world: World, call: Call) -> Mapping[str, Any]:
    _, found = await _lockable(world, call)
    status = (call.params.get("LegalHold") or {}).get("Status")
    if status not in {"ON", "OFF"}:
        raise MalformedXml
    kept = {**found.attributes, "ObjectLockLegalHoldStatus": status}
    await store_of(world).versions.change(found, attributes=kept)
    return {}


_RETENTION = ("ObjectLockMode", "ObjectLockRetainUntilDate")


async def _lockable(world: World, call: Call) -> tuple[Bucket, Version]:
    bucket = await bucket_of(world, call)
    if not bucket.documents.get("ObjectLockConfiguration"):
        raise InvalidRequest("Bucket is missing Object Lock Configuration")
    return bucket, await version_of(world, bucket, call.params["Key"], call.params.get("VersionId") or "")


def _refuse_weaker(found: Version, asked: Mapping[str, Any], now: float, *, bypass: bool) -> None:
    """A retention may be made longer; shorter or weaker only in GOVERNANCE mode with the bypass."""
    mode, until = found.attributes.get("ObjectLockMode"), found.attributes.get("ObjectLockRetainUntilDate", 0.0)
    if not mode or until <= now:
        return
    longer = asked.get("RetainUntilDate", 0.0) >= until and (mode == "GOVERNANCE" or asked.get("Mode") == mode)
    if not longer and not (bypass and mode == "GOVERNANCE"):
        raise ObjectIsLocked(f"its retention in {mode} mode can only be made longer")


def _missing() -> AwsError:
    return AwsError(
        "The specified object does not have a ObjectLock configuration",
        code="NoSuchObjectLockConfiguration",
        http_status=404,
    )
