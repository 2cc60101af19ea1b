"""The alarms that guard a deployment: while one of them is in ALARM, or was since it began, the new fleet must not stay."""

from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.world import World

LOOK_EVERY = 0.5  # seconds between looks at alarms while they matter


def names_of(deployment: Mapping[str, Any] | None) -> list[str]:
    alarms = ((deployment or {}).get("AutoRollbackConfiguration") or {}).get("Alarms") or ()
    return [alarm["AlarmName"] for alarm in alarms if alarm.get("AlarmName")]


async def check(world: World, scope: Scope, deployment: Mapping[str, Any] | None) -> None:
    """Raises ValidationError when an alarm that shall guard does not exist."""
    missing = [name for name in names_of(deployment) if await _find(world, scope, name) is None]
    if missing:
        raise ValidationError(
            f"AutoRollbackConfiguration: could not find the CloudWatch alarms [{', '.join(missing)}]."
        )


async def raised(world: World, endpoint: Record, deployment: Mapping[str, Any] | None) -> list[str]:
    """The names of the alarms that say the deployment is no good. One that has been deleted says nothing."""
    scope = Scope(endpoint.account, endpoint.region)
    alarms = [await _find(world, scope, name) for name in names_of(deployment)]
    began = endpoint.status["_began"]
    return [
        alarm.name
        for alarm in alarms
        if alarm is not None and (alarm.state == "ALARM" or alarm.status.get("_alarmed", 0.0) >= began)
    ]


async def _find(world: World, scope: Scope, name: str) -> Record | None:
    return await world.table.get("Alarm", scope.account, scope.region, name)
