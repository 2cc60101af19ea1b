"""Managed policies: documents with an ARN, up to five versions of each, one of them the default that counts."""

from typing import Any

from salvia.base import ids
from salvia.base.arn import Arn
from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.iam import documents, entity, store
from salvia.services.iam.aws_managed import AWS_MANAGED, AwsManaged
from salvia.services.iam.errors import Denied, EntityAlreadyExists, NoSuchEntity
from salvia.services.iam.policy import Use

KIND, VERSION_KIND = "iam:Policy", "iam:PolicyVersion"

_SIZE_LIMIT = 6144


async def document_of(world: World, account: str, policy_arn: str) -> str | None:
    """The default version's text, of one of AWS's policies or of the account's; None when there is none."""
    if policy_arn in AWS_MANAGED:
        return AWS_MANAGED[policy_arn].document
    record = await find(world, account, policy_arn)
    return None if record is None else str(record.spec["Document"])


async def find(world: World, account: str, policy_arn: str) -> Record | None:
    """One of the account's own policies."""
    record = await world.table.find(policy_arn)
    return record if record is not None and record.kind == KIND and record.account == account else None


async def get(world: World, call: Call) -> Record:
    """The account's own policy that the call names, to be changed."""
    policy_arn = call.params["PolicyArn"]
    if policy_arn in AWS_MANAGED:
        raise Denied(
            f"User: {call.caller.arn} is not authorized to perform: iam:{call.operation} on resource: policy {policy_arn}"
        )
    record = await find(world, call.account, policy_arn)
    if record is None:
        raise NoSuchEntity(f"Policy {policy_arn} was not found.")
    return record


async def create_policy(world: World, call: Call) -> dict[str, Any]:
    given = call.params
    name, path = given["PolicyName"], given.get("Path", "/")
    text = checked(given["PolicyDocument"])
    spec = {
        "Path": path,
        "Id": ids.unique("ANPA"),
        "Description": given.get("Description", ""),
        "Document": text,
        "DefaultVersionId": "v1",
        "LastVersion": 1,
    }
    arn, tags = f"arn:aws:iam::{call.account}:policy{path}{name}", entity.tags_of(given.get("Tags", ()))
    record = store.new(world, KIND, call.account, name.lower(), arn, spec, name=name, tags=tags)
    if not await store.insert(world, record):
        raise EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    await store.insert(world, new_version(world, record, 1, text))
    return {"Policy": shown(record, 0, 0) | _tags(record)}


def checked(text: str) -> str:
    return documents.checked(text, Use.IDENTITY, _SIZE_LIMIT, f"Cannot exceed quota for PolicySize: {_SIZE_LIMIT}")


def new_version(world: World, policy: Record, number: int, text: str) -> Record:
    key, arn, spec = f"{policy.key}/v{number}", f"{policy.arn}#v{number}", {"Document": text, "Number": number}
    return store.new(world, VERSION_KIND, policy.account, key, arn, spec, name=f"{number:09d}", owner=policy.arn)


async def versions(world: World, policy: Record) -> list[Record]:
    """The newest first."""
    return (await store.every(world, Query(VERSION_KIND, policy.account, owner=policy.arn)))[::-1]


def shown(policy: Record, attachments: int, boundaries: int) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.spec["Id"],
        "Arn": policy.arn,
        "Path": policy.spec["Path"],
        "DefaultVersionId": policy.spec["DefaultVersionId"],
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": boundaries,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.modified,
    } | ({"Description": policy.spec["Description"]} if policy.spec["Description"] else {})


def shown_aws(policy: AwsManaged, attachments: int, boundaries: int) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": ids.derived("ANPA", policy.arn),
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": "v1",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": boundaries,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.created,
        "Description": policy.description,
    }


def _tags(policy: Record) -> dict[str, Any]:
    return {"Tags": [{"Key": key, "Value": value} for key, value in policy.tags.items()]}


def path_of(policy_arn: str) -> str:
    """The path in an ARN of IAM: "/" or "/a/b/"."""
    return "/" + "".join(f"{piece}/" for piece in Arn.parse(policy_arn).resource.split("/")[1:-1])
