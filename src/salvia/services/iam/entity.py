"""What roles, users and groups have in common: a name that is unique in the account, a path, an id and an ARN."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from salvia.base import ids
from salvia.base.call import Call
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.iam import store
from salvia.services.iam.errors import EntityAlreadyExists, InvalidInput, NoSuchEntity


@dataclass(frozen=True, slots=True)
class Noun:
    """`word` is "Role"; the members RoleName and RoleId follow from it."""

    word: str
    id_prefix: str

    @property
    def kind(self) -> str:
        return f"iam:{self.word}"

    @property
    def type(self) -> str:
        """As ARNs and inline policies name it."""
        return self.word.lower()

    @property
    def name_member(self) -> str:
        return f"{self.word}Name"


ROLE, USER, GROUP = Noun("Role", "AROA"), Noun("User", "AIDA"), Noun("Group", "AGPA")
NOUNS: Mapping[str, Noun] = {noun.type: noun for noun in (ROLE, USER, GROUP)}


async def find(world: World, account: str, noun: Noun, name: str) -> Record | None:
    """Names keep their case and are found without it."""
    return await world.table.get(noun.kind, account, "", name.lower())


async def get(world: World, account: str, noun: Noun, name: str) -> Record:
    record = await find(world, account, noun, name)
    if record is None:
        raise NoSuchEntity(f"The {noun.type} with name {name} cannot be found.")
    return record


async def create(world: World, call: Call, noun: Noun, spec: Mapping[str, Any]) -> Record:
    """Records the entity that `call` names, with `spec` beside its name, path and tags."""
    name = call.params[noun.name_member]
    record = new(world, call.account, noun, name, call.params.get("Path", "/"), spec)
    record.tags = tags_of(call.params.get("Tags", ()))
    if not await store.insert(world, record):
        raise EntityAlreadyExists(f"{noun.word} with name {name} already exists.")
    return record


def new(world: World, account: str, noun: Noun, name: str, path: str, spec: Mapping[str, Any]) -> Record:
    arn = f"arn:aws:iam::{account}:{noun.type}{path}{name}"
    whole = {"Path": path, "Id": ids.unique(noun.id_prefix), **spec}
    return store.new(world, noun.kind, account, name.lower(), arn, whole, name=name)


def shown(noun: Noun, record: Record) -> dict[str, Any]:
    """The members that every list has."""
    return {
        "Path": record.spec["Path"],
        noun.name_member: record.name,
        f"{noun.word}Id": record.spec["Id"],
        "Arn": record.arn,
        "CreateDate": record.created,
    }


def shown_whole(noun: Noun, record: Record) -> dict[str, Any]:
    """With what only Create and Get show: the tags and the permissions boundary."""
    members = shown(noun, record)
    if record.tags:
        members["Tags"] = [{"Key": key, "Value": value} for key, value in record.tags.items()]
    boundary = record.spec.get("PermissionsBoundary")
    if boundary:
        members["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    return members


def tags_of(given: Any) -> dict[str, str]:
    """A list of tags as a mapping, checked as IAM does."""
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if len({key.lower() for key in tags}) < len(given):
        raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise InvalidInput("The prefix aws: is reserved for AWS use and cannot be used in a tag key.")
    return tags


def encoded(document: str) -> str:
    """IAM shows policy documents percent-encoded; clients decode them."""
    return quote(document, safe="")
