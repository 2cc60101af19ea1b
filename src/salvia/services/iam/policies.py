"""The operations on managed policies that look: Get, List, versions; and those on versions that change."""

from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.iam import entity, managed, store
from salvia.services.iam.attachments import KIND as ATTACHMENT
from salvia.services.iam.attachments import holders
from salvia.services.iam.aws_managed import AWS_MANAGED
from salvia.services.iam.entity import ROLE, USER
from salvia.services.iam.errors import DeleteConflict, LimitExceeded, NoSuchEntity
from salvia.services.iam.paging import page_of_list

_VERSIONS_LIMIT = 5


async def get_policy(world: World, call: Call) -> dict[str, Any]:
    policy_arn = call.params["PolicyArn"]
    count = len(await holders(world, call.account, policy_arn))
    boundaries = (await _boundary_counts(world, call.account)).get(policy_arn, 0)
    if policy_arn in AWS_MANAGED:
        return {"Policy": managed.shown_aws(AWS_MANAGED[policy_arn], count, boundaries)}
    record = await managed.find(world, call.account, policy_arn)
    if record is None:
        raise NoSuchEntity(f"Policy {policy_arn} was not found.")
    tags = [{"Key": key, "Value": value} for key, value in record.tags.items()]
    return {"Policy": managed.shown(record, count, boundaries) | {"Tags": tags}}


async def list_policies(world: World, call: Call) -> dict[str, Any]:
    given = call.params
    attached = await _attached_counts(world, call.account)
    boundaries = await _boundary_counts(world, call.account)
    policies: list[dict[str, Any]] = []
    if given.get("Scope", "All") in ("All", "Local"):
        own = await store.every(world, Query(managed.KIND, call.account))
        policies += [
            managed.shown(record, attached.get(record.arn, 0), boundaries.get(record.arn, 0)) for record in own
        ]
    if given.get("Scope", "All") in ("All", "AWS"):
        policies += [
            managed.shown_aws(policy, attached.get(arn, 0), boundaries.get(arn, 0))
            for arn, policy in AWS_MANAGED.items()
        ]
    usage = given.get("PolicyUsageFilter")
    fitting = [
        policy
        for policy in policies
        if policy["Path"].startswith(given.get("PathPrefix", "/"))
        and (not given.get("OnlyAttached") or policy["AttachmentCount"])
        and (usage != "PermissionsPolicy" or policy["AttachmentCount"])
        and (usage != "PermissionsBoundary" or policy["PermissionsBoundaryUsageCount"])
    ]
    page, more = page_of_list(call, fitting)
    return {"Policies": page, **more}


async def delete_policy(world: World, call: Call) -> dict[str, Any]:
    record = await managed.get(world, call)
    if await holders(world, call.account, record.arn) or record.arn in await _boundary_counts(world, call.account):
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    versions = await managed.versions(world, record)
    if len(versions) > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    await store.remove(world, record)
    for version in versions:
        await store.remove(world, version)
    return {}


async def get_policy_version(world: World, call: Call) -> dict[str, Any]:
    policy_arn, version_id = call.params["PolicyArn"], call.params["VersionId"]
    if policy_arn in AWS_MANAGED and version_id == "v1":
        policy = AWS_MANAGED[policy_arn]
        document = entity.encoded(policy.document)
        version = {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": policy.created}
        return {"PolicyVersion": {"Document": document, **version}}
    if policy_arn in AWS_MANAGED:
        raise _no_version(policy_arn, version_id)
    record = await managed.get(world, call)
    version_record = await _version(world, record, version_id)
    return {"PolicyVersion": _shown(record, version_record, whole=True)}


async def list_policy_versions(world: World, call: Call) -> dict[str, Any]:
    policy_arn = call.params["PolicyArn"]
    if policy_arn in AWS_MANAGED:
        created = AWS_MANAGED[policy_arn].created
        versions: list[dict[str, Any]] = [{"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": created}]
    else:
        record = await managed.get(world, call)
        versions = [_shown(record, version) for version in await managed.versions(world, record)]
    page, more = page_of_list(call, versions)
    return {"Versions": page, **more}


async def create_policy_version(world: World, call: Call) -> dict[str, Any]:
    text = managed.checked(call.params["PolicyDocument"])
    record = await managed.get(world, call)
    if len(await managed.versions(world, record)) >= _VERSIONS_LIMIT:
        raise LimitExceeded(
            f"A managed policy can have up to {_VERSIONS_LIMIT} versions. "
            "Before you create a new version, you must delete an existing version."
        )
    # The number of a deleted version is not given again, and of two servers that count at once one goes on counting.
    number = record.spec["LastVersion"] + 1
    version = managed.new_version(world, record, number, text)
    while not await store.insert(world, version):
        number += 1
        version = managed.new_version(world, record, number, text)
    record.spec["LastVersion"] = number
    if call.params.get("SetAsDefault"):
        record.spec |= {"DefaultVersionId": f"v{number}", "Document": text}
    await store.save(world, record)
    return {"PolicyVersion": _shown(record, version)}


async def delete_policy_version(world: World, call: Call) -> dict[str, Any]:
    record = await managed.get(world, call)
    version = await _version(world, record, call.params["VersionId"])
    if call.params["VersionId"] == record.spec["DefaultVersionId"]:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    await store.remove(world, version)
    return {}


async def set_default_policy_version(world: World, call: Call) -> dict[str, Any]:
    record = await managed.get(world, call)
    version = await _version(world, record, call.params["VersionId"])
    record.spec |= {"DefaultVersionId": call.params["VersionId"], "Document": version.spec["Document"]}
    await store.save(world, record)
    return {}


async def _version(world: World, policy: Record, version_id: str) -> Record:
    version = await world.table.get(managed.VERSION_KIND, policy.account, "", f"{policy.key}/{version_id}")
    if version is None:
        raise _no_version(policy.arn, version_id)
    return version


def _no_version(policy_arn: str, version_id: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {policy_arn} version {version_id} does not exist or is not attachable.")


def _shown(policy: Record, version: Record, *, whole: bool = False) -> dict[str, Any]:
    version_id = f"v{version.spec['Number']}"
    members = {
        "VersionId": version_id,
        "IsDefaultVersion": version_id == policy.spec["DefaultVersionId"],
        "CreateDate": version.created,
    }
    return {"Document": entity.encoded(version.spec["Document"]), **members} if whole else members


async def _attached_counts(world: World, account: str) -> dict[str, int]:
    return _count([record.name for record in await store.every(world, Query(ATTACHMENT, account))])


async def _boundary_counts(world: World, account: str) -> dict[str, int]:
    records = [record for noun in (ROLE, USER) for record in await store.every(world, Query(noun.kind, account))]
    return _count([record.spec["PermissionsBoundary"] for record in records if record.spec.get("PermissionsBoundary")])


def _count(arns: list[str]) -> dict[str, int]:
    return {arn: arns.count(arn) for arn in set(arns)}
