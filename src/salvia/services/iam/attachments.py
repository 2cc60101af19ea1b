"""Attachments: which managed policies a role, user or group has."""

from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.service import Operation
from salvia.resources.world import World
from salvia.services.iam import entity, store
from salvia.services.iam.entity import NOUNS, Noun
from salvia.services.iam.errors import InvalidInput, LimitExceeded, NoSuchEntity
from salvia.services.iam.managed import document_of, path_of
from salvia.services.iam.paging import page_of_list, page_of_records

KIND = "iam:Attachment"  # `name` is the policy's ARN, `owner` that of the entity

_ATTACHED_LIMIT = 10  # managed policies of one entity


async def attached(world: World, owner: Record) -> list[str]:
    """The ARNs of the entity's managed policies."""
    records = await store.every(world, Query(KIND, owner.account, owner=owner.arn))
    return [record.name for record in records]


async def has_attachments(world: World, owner: Record) -> bool:
    return bool(await world.table.select(Query(KIND, owner.account, owner=owner.arn, limit=1)))


async def holders(world: World, account: str, policy_arn: str) -> list[Record]:
    """The attachments of a policy, one for each entity that has it."""
    records = await store.every(world, Query(KIND, account, name_contains=policy_arn))
    return [record for record in records if record.name == policy_arn]


def attach_policy(noun: Noun) -> Operation:
    async def attach(world: World, call: Call) -> dict[str, Any]:
        owner = await entity.get(world, call.account, noun, call.params[noun.name_member])
        policy_arn = call.params["PolicyArn"]
        await attach_to(world, noun, owner, policy_arn)
        return {}

    return attach


async def attach_to(world: World, noun: Noun, owner: Record, policy_arn: str) -> None:
    """Attaching twice is attaching once."""
    if not _is_policy_arn(policy_arn):
        raise InvalidInput(f"ARN {policy_arn} is not valid.")
    if await document_of(world, owner.account, policy_arn) is None:
        raise NoSuchEntity(f"Policy {policy_arn} does not exist or is not attachable.")
    already = await attached(world, owner)
    if policy_arn not in already and len(already) >= _ATTACHED_LIMIT:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPer{noun.word}: {_ATTACHED_LIMIT}")
    await store.insert(world, _new(world, noun, owner, policy_arn))


def detach_policy(noun: Noun) -> Operation:
    async def detach(world: World, call: Call) -> dict[str, Any]:
        owner = await entity.get(world, call.account, noun, call.params[noun.name_member])
        policy_arn = call.params["PolicyArn"]
        record = await world.table.get(KIND, call.account, "", _key(noun, owner, policy_arn))
        if record is None or not await store.remove(world, record):
            raise NoSuchEntity(f"Policy {policy_arn} was not found.")
        return {}

    return detach


def list_attached(noun: Noun) -> Operation:
    async def policies(world: World, call: Call) -> dict[str, Any]:
        owner = await entity.get(world, call.account, noun, call.params[noun.name_member])
        prefix = call.params.get("PathPrefix", "/")
        records, more = await page_of_records(
            world,
            call,
            Query(KIND, call.account, owner=owner.arn),
            lambda record: path_of(record.name).startswith(prefix),
        )
        shown = [{"PolicyName": Arn.parse(record.name).name, "PolicyArn": record.name} for record in records]
        return {"AttachedPolicies": shown, **more}

    return policies


async def list_entities_for_policy(world: World, call: Call) -> dict[str, Any]:
    policy_arn = call.params["PolicyArn"]
    if await document_of(world, call.account, policy_arn) is None:
        raise NoSuchEntity(f"Policy {policy_arn} was not found.")
    wanted = {"Role": "role", "User": "user", "Group": "group"}.get(call.params.get("EntityFilter", ""), "")
    prefix = call.params.get("PathPrefix", "/")
    found = (
        []
        if call.params.get("PolicyUsageFilter") == "PermissionsBoundary"
        else await holders(world, call.account, policy_arn)
    )
    fitting = [
        record for record in found if wanted in ("", record.spec["Type"]) and path_of(record.owner).startswith(prefix)
    ]
    page, more = page_of_list(call, fitting)
    answer: dict[str, Any] = {f"Policy{noun.word}s": [] for noun in NOUNS.values()}
    for record in page:
        noun = NOUNS[record.spec["Type"]]
        holder = {noun.name_member: record.spec["Name"], f"{noun.word}Id": record.spec["Id"]}
        answer[f"Policy{noun.word}s"].append(holder)
    return answer | more


def _is_policy_arn(text: str) -> bool:
    try:
        arn = Arn.parse(text)
    except ValueError:
        return False
    return arn.service == "iam" and arn.resource.startswith("policy/")


def _key(noun: Noun, owner: Record, policy_arn: str) -> str:
    return f"{noun.type}/{owner.key}/{policy_arn}"


def _new(world: World, noun: Noun, owner: Record, policy_arn: str) -> Record:
    key, arn = _key(noun, owner, policy_arn), f"{owner.arn}#attachment/{policy_arn}"
    spec = {"Type": noun.type, "Name": owner.name, "Id": owner.spec["Id"]}
    return store.new(world, KIND, owner.account, key, arn, spec, name=policy_arn, owner=owner.arn)
