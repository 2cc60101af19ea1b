"""What every operation on logs needs: the store, and groups and streams by name or the error AWS answers."""

from typing import cast

from salvia.base.arn import Arn, partition_of
from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.logs import GroupKey, LogGroup, LogStore, StreamKey
from salvia.resources.world import World


class ResourceNotFound(AwsError):
    code = "ResourceNotFoundException"


class ResourceAlreadyExists(AwsError):
    code = "ResourceAlreadyExistsException"


class InvalidParameter(AwsError):
    code = "InvalidParameterException"


def log_store(world: World) -> LogStore:
    return cast(LogStore, world.parts["log_store"])


def now_ms(world: World) -> int:
    return round(world.clock.now() * 1000)


def group_key(call: Call) -> GroupKey:
    """From logGroupName or logGroupIdentifier (a name or an ARN), of which exactly one must be given."""
    name, identifier = call.params.get("logGroupName", ""), call.params.get("logGroupIdentifier", "")
    if name and identifier:
        raise InvalidParameter("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if not name and not identifier:
        raise InvalidParameter("Either logGroupName or logGroupIdentifier must be specified.")
    return GroupKey(call.account, call.region, name or group_name(call, identifier))


def group_name(call: Call, identifier: str) -> str:
    """The name in a group's ARN, with or without `:*` at its end; anything else is the name itself."""
    if not identifier.startswith("arn:"):
        return identifier
    try:
        arn = Arn.parse(identifier)
    except ValueError:
        raise InvalidParameter(f"The ARN {identifier} is not valid.") from None
    kind, _, name = arn.resource.removesuffix(":*").partition(":")
    if arn.service != "logs" or kind != "log-group" or not name or ":" in name:
        raise InvalidParameter(f"The ARN {identifier} is not the ARN of a log group.")
    if (arn.account, arn.region) != (call.account, call.region):
        raise group_missing()
    return name


async def existing_group(world: World, key: GroupKey) -> LogGroup:
    group = await log_store(world).groups.find(key)
    if group is None:
        raise group_missing()
    return group


async def stream_missing(world: World, key: StreamKey) -> AwsError:
    """The error for a stream that is not there: its group may be what is missing."""
    if await log_store(world).groups.find(key.of_group) is None:
        return group_missing()
    return ResourceNotFound("The specified log stream does not exist.")


def group_missing() -> AwsError:
    return ResourceNotFound("The specified log group does not exist.")


def group_arn(key: GroupKey) -> str:
    return str(Arn("logs", key.region, key.account, f"log-group:{key.group}", partition_of(key.region)))
