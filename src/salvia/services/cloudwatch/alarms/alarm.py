"""Metric alarms: a record that the control loop evaluates at every turn of its period, for as long as it is there."""

import math
from datetime import UTC, datetime
from typing import Any

import orjson

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.table import Record
from salvia.resources.kind import Resource, put
from salvia.resources.shown import Shown
from salvia.resources.world import World
from salvia.services.cloudwatch.alarms.notice import notify
from salvia.services.cloudwatch.alarms.request import ACTIONS, admitted, period_of, queries_of, returned
from salvia.services.cloudwatch.alarms.rule import SPARE, Point, Rule, Verdict
from salvia.services.cloudwatch.metric_data import values

_SHORT = (1, 5, 10, 20, 30)  # periods of metric data below a minute
_FIRST_REASON = "Unchecked: Initial alarm creation"


class Alarm(Resource):
    """Its state is the record's. SetAlarmState is a wish, which counts until the alarm is evaluated again."""

    noun = "Alarm"
    initial_status = "INSUFFICIENT_DATA"

    # ------------------------------------------------------------- what the API asks

    async def make(self, scope: Scope, request: dict[str, Any], owner: str = "") -> Record:
        """PutMetricAlarm: a new alarm, or another configuration for one that keeps its state. Raises AwsError."""
        spec = admitted(request, scope)
        now, name = self.world.clock.now(), spec["AlarmName"]
        await self._series(spec, scope, now)  # what cannot be computed is refused now
        spec["_configured"] = now
        tags = {tag["Key"]: tag["Value"] for tag in spec.pop("Tags", ())}

        def configured(before: dict[str, Any]) -> dict[str, Any]:
            return spec | ({"_set": before["_set"]} if "_set" in before else {})

        arn = scope.arn("cloudwatch", f"alarm:{name}")
        status = {"StateReason": _FIRST_REASON, "StateUpdatedTimestamp": now}
        return await put(self, scope, name, arn, configured, owner=owner, status=status, tags=tags)

    async def find(self, call: Call, shown: Shown | None = None) -> Record:
        name = call.params["AlarmName"]
        known = shown.record(call.account, call.region, name) if shown else None
        record = await self.world.table.get(self.noun, call.account, call.region, name, known)
        if record is None:
            raise AwsError(f"Unknown AlarmName: {name}", code="ResourceNotFound", http_status=404)
        return record

    def view(self, record: Record) -> dict[str, Any]:
        moved = record.status.get("StateTransitionedTimestamp", record.created)
        shown = record.spec | {"StateValue": record.state, "StateTransitionedTimestamp": moved} | record.status
        if _is_set(record):
            shown |= {name: value for name, value in record.spec["_set"].items() if name != "at"}
            shown["StateUpdatedTimestamp"] = record.spec["_set"]["at"]
        shown |= {"AlarmArn": record.arn, "AlarmConfigurationUpdatedTimestamp": record.spec["_configured"]}
        return {name: value for name, value in shown.items() if not name.startswith("_")}

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, record: Record) -> float | None:
        now, turn = self.world.clock.now(), self.turn_of(record.spec)
        if _is_set(record):
            wish = record.spec["_set"]
            record.status["_set"] = wish["at"]
            await self._enter(record, wish["StateValue"], wish["StateReason"], wish.get("StateReasonData", ""))
            return turn - now % turn + turn  # so that who looks at alarms has seen it
        scope = Scope(record.account, record.region)
        window = await self._series(record.spec, scope, now)
        verdict = rule_of(record.spec).decide(window)
        record.status["_points"] = verdict.points
        if verdict.state and verdict.state != record.state:
            await self._enter(record, verdict.state, verdict.reason, self._data(record.spec, verdict, now))
        return turn - now % turn

    def turn_of(self, spec: dict[str, Any]) -> float:
        """Seconds between two evaluations: a minute, ten seconds for periods below one."""
        minute = self.world.settings.alarm_minute_seconds
        return minute if period_of(spec) >= 60 else minute / 6

    async def _enter(self, record: Record, state: str, reason: str, data: str) -> None:
        now = self.world.clock.now()
        if state != record.state:
            await notify(self.world, record, state, reason)
            record.status["StateTransitionedTimestamp"] = now
        if state == "ALARM":
            record.status["_alarmed"] = now
        record.state = state
        record.status |= {"StateReason": reason[:1023], "StateUpdatedTimestamp": now}
        record.status.pop("StateReasonData", None)
        if data:
            record.status["StateReasonData"] = data

    async def _series(self, spec: dict[str, Any], scope: Scope, now: float) -> list[Point | None]:
        """The whole periods up to now, oldest first."""
        period = lasting(self.world, period_of(spec))
        turn = min(period, max(1, round(self.turn_of(spec))))
        count = spec["EvaluationPeriods"] + SPARE
        end = math.floor(now / turn) * turn
        start = end - count * period
        queries = {name: _with_period(query, period) for name, query in queries_of(spec).items()}
        (name,) = returned(queries)
        points = (await values(self.world, scope, queries, start, end))[name][1].points
        times = [float(start + number * period) for number in range(count)]
        return [(time, points[time]) if time in points else None for time in times]

    def _data(self, spec: dict[str, Any], verdict: Verdict, now: float) -> str:
        """StateReasonData: the same for programs."""
        data: dict[str, Any] = {"version": "1.0", "queryDate": _iso(now)}
        if verdict.points:
            data["startDate"] = _iso(verdict.points[-1][0])
        if not spec.get("Metrics"):
            data["statistic"] = spec.get("Statistic") or spec["ExtendedStatistic"]
        data |= {
            "period": period_of(spec),
            "recentDatapoints": [value for _, value in reversed(verdict.points)],
            "threshold": spec["Threshold"],
        }
        return orjson.dumps(data).decode()[:4000]


def rule_of(spec: dict[str, Any]) -> Rule:
    return Rule(
        comparison=spec["ComparisonOperator"],
        threshold=spec["Threshold"],
        periods=spec["EvaluationPeriods"],
        needed=spec.get("DatapointsToAlarm", spec["EvaluationPeriods"]),
        missing=spec.get("TreatMissingData", "missing"),
    )


def actions_of(record: Record) -> set[str]:
    return {action for member in ACTIONS.values() for action in record.spec[member]}


def lasting(world: World, period: int) -> int:
    """How many seconds a Period lasts, where the settings make minutes shorter than they are."""
    minute = world.settings.alarm_minute_seconds
    if minute == 60.0:
        return period
    wanted = period * minute / 60
    return round(wanted / 60) * 60 if wanted >= 45 else min(_SHORT, key=lambda short: abs(short - wanted))


def _with_period(query: dict[str, Any], period: int) -> dict[str, Any]:
    return query | {"MetricStat": query["MetricStat"] | {"Period": period}} if "MetricStat" in query else query


def _is_set(record: Record) -> bool:
    return bool(record.spec.get("_set", {}).get("at", 0.0) > record.status.get("_set", 0.0))


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
