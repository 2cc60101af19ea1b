"""A principal's permissions: everything that IAM knows of a role or user, ready to be asked, and remembered a little."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from salvia.base.arn import Arn
from salvia.base.call import Caller
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.iam import entity
from salvia.services.iam.attachments import attached
from salvia.services.iam.documents import parsed
from salvia.services.iam.entity import NOUNS, USER, Noun
from salvia.services.iam.groups import groups_of
from salvia.services.iam.inline import inline_policies
from salvia.services.iam.managed import document_of
from salvia.services.iam.policy import Layer, Policy, Use

_FRESH_SECONDS = 2.0  # how long a change made by another server may go unseen
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` tells a role from another that had its name before."""

    arn: str
    id: str
    tags: Mapping[str, str]
    policies: tuple[Policy, ...]
    identity: Layer
    boundary: Layer | None


@lru_cache(maxsize=4096)
def layer_of(policies: tuple[Policy, ...]) -> Layer:
    """The same policies share one layer, and so what it learned of actions, however often a principal is read again."""
    return Layer(policies)


class Principals:
    """Reads principals; asks the table again when IAM changed here, or after two seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, tuple[Principal | None, float]] = {}
        self._changes = -1

    async def find(self, principal_arn: str) -> Principal | None:
        """None when there is no such role or user."""
        changes = self._world.parts.get("iam_changes", 0)
        if changes != self._changes or len(self._known) > _REMEMBERED:
            self._known.clear()
            self._changes = changes
        now = self._world.clock.now()
        known = self._known.get(principal_arn)
        if known is not None and known[1] > now:
            return known[0]
        principal = await load(self._world, principal_arn)
        self._known[principal_arn] = (principal, now + _FRESH_SECONDS)
        return principal


def speaks_as(caller: Caller, principal: Principal) -> bool:
    """False when the role or user was deleted and another made under its name since the caller got its credentials."""
    return caller.user_id.partition(":")[0] == principal.id or ":federated-user/" in caller.arn


async def load(world: World, principal_arn: str) -> Principal | None:
    """As the table has it now."""
    found = await find_entity(world, principal_arn)
    if found is None:
        return None
    noun, record = found
    policies = await policies_of(world, noun, record)
    boundary_arn = record.spec.get("PermissionsBoundary", "")
    text = await document_of(world, record.account, boundary_arn) if boundary_arn else None
    boundary = (parsed(text, Use.IDENTITY, Arn.parse(boundary_arn).name, "user-managed"),) if text else ()
    return Principal(
        arn=record.arn,
        id=record.spec["Id"],
        tags=record.tags,
        policies=policies,
        identity=layer_of(policies),
        # A boundary whose policy is gone allows nothing: an empty layer, not none.
        boundary=layer_of(boundary) if boundary_arn else None,
    )


async def find_entity(world: World, arn: str) -> tuple[Noun, Record] | None:
    """The role, user or group of that very ARN."""
    try:
        parts = Arn.parse(arn)
    except ValueError:
        return None
    noun = NOUNS.get(parts.resource.partition("/")[0])
    if parts.service != "iam" or noun is None:
        return None
    record = await entity.find(world, parts.account, noun, parts.name)
    return (noun, record) if record is not None and record.arn == arn else None


async def policies_of(world: World, noun: Noun, record: Record) -> tuple[Policy, ...]:
    """Inline and managed ones, for a user also those of its groups; named as MatchedStatements names them."""
    found = [
        parsed(inline.spec["Document"], Use.IDENTITY, f"{noun.type}_{record.name}_{inline.name}", noun.type)
        for inline in await inline_policies(world, record)
    ]
    for policy_arn in await attached(world, record):
        text = await document_of(world, record.account, policy_arn)
        if text is not None:
            kind = "aws-managed" if ":iam::aws:" in policy_arn else "user-managed"
            found.append(parsed(text, Use.IDENTITY, Arn.parse(policy_arn).name, kind))
    if noun is USER:
        for group in await groups_of(world, record):
            found += await policies_of(world, NOUNS["group"], group)
    return tuple(found)
