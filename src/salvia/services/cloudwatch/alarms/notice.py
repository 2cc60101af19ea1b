"""What an alarm tells SNS topics when it comes to another state: CloudWatch's own document."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson

from salvia.base.errors import AwsError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.cloudwatch.alarms.request import ACTIONS

_log = logging.getLogger(__name__)
_STATISTICS = {"SampleCount": "SAMPLE_COUNT"}
_TRIGGER = (
    *("MetricName", "Namespace", "Unit", "Period", "EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator"),
    *("Threshold", "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics"),
)


async def notify(world: World, alarm: Record, state: str, reason: str) -> None:
    """`alarm` is still in the state that it leaves. Done again after a kill, it is the same message."""
    if not alarm.spec["ActionsEnabled"]:
        return
    words = f"{alarm.arn}/{alarm.status.get('StateTransitionedTimestamp', alarm.created)}/{state}"
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, words))
    text = orjson.dumps(_document(world, alarm, state, reason)).decode()
    for action in alarm.spec[ACTIONS[state]]:
        if ":sns:" in action:
            try:
                subject = f'{state}: "{alarm.name}" in {alarm.region}'
                await world.parts["publish"](action, {"default": text}, name, subject)
            except AwsError as error:
                _log.warning("%s could not be told that %s is in state %s: %s", action, alarm.arn, state, error)


def _document(world: World, alarm: Record, state: str, reason: str) -> dict[str, Any]:
    spec = alarm.spec
    trigger: dict[str, Any] = {name: spec[name] for name in _TRIGGER if name in spec}
    if "ExtendedStatistic" in spec:
        trigger |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": spec["ExtendedStatistic"]}
    elif "Statistic" in spec:
        statistic = _STATISTICS.get(spec["Statistic"], spec["Statistic"].upper())
        trigger |= {"StatisticType": "Statistic", "Statistic": statistic}
    trigger["Dimensions"] = [{"value": one["Value"], "name": one["Name"]} for one in spec["Dimensions"]]
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": spec.get("AlarmDescription"),
        "AWSAccountId": alarm.account,
        "AlarmConfigurationUpdatedTimestamp": _iso(spec["_configured"]),
        "NewStateValue": state,
        "NewStateReason": reason,
        "StateChangeTime": _iso(world.clock.now()),
        "Region": alarm.region,
        "AlarmArn": alarm.arn,
        "OldStateValue": alarm.state,
        **{member: spec[member] for member in ACTIONS.values()},
        "Trigger": trigger,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
