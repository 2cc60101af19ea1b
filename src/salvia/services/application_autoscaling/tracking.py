"""Target tracking: the two alarms that a policy makes for itself, and the zeros that an idle variant says.

Source: "Target tracking scaling policies" in the Application Auto Scaling user guide, "Automatic scaling of Amazon
SageMaker AI models" in SageMaker's: a variant without traffic has a metric of zero.
"""

from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.application_autoscaling.named import unique
from salvia.services.application_autoscaling.scaled import KINDS, METRICS, Metric, Place, dimensions_of, kind_of

_ZERO_WHEN_IDLE = frozenset({"Invocations", "ApproximateBacklogSize", "ApproximateBacklogSizePerInstance"}).union(
    metric.name for kind in KINDS.values() for metric in kind.metrics
)
PERIOD = 60
_HIGH, _LOW = 3, 15  # periods
_IN_AT = 0.9  # of the target: below it there may be fewer


def check(config: Mapping[str, Any], place: Place) -> None:
    """Raises ValidationError for what cannot be tracked."""
    known = [metric.predefined for metric in kind_of(place).metrics]
    predefined, customized = config.get("PredefinedMetricSpecification"), config.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(customized):
        raise ValidationError(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified."
        )
    if config["TargetValue"] <= 0:
        raise ValidationError("TargetValue must be greater than 0.")
    if min(config.get("ScaleOutCooldown", 0), config.get("ScaleInCooldown", 0)) < 0:
        raise ValidationError("ScaleOutCooldown and ScaleInCooldown must not be negative.")
    if predefined and predefined["PredefinedMetricType"] not in known:
        raise ValidationError(
            f"PredefinedMetricType {predefined['PredefinedMetricType']} is not supported for "
            f"{place['ScalableDimension']}: {' and '.join(known)} can be tracked."
        )
    if customized and not customized.get("Metrics"):
        missing = [member for member in ("MetricName", "Namespace", "Statistic") if not customized.get(member)]
        if missing:
            raise ValidationError(f"CustomizedMetricSpecification: {', '.join(missing)} must be specified.")


def alarms_of(policy: Record) -> dict[str, dict[str, Any]]:
    """The requests for the alarms of a policy, by "High" and "Low"."""
    spec, scope = policy.spec, Scope(policy.account, policy.region)
    config = spec["TargetTrackingScalingPolicyConfiguration"]
    target, metric = config["TargetValue"], _predefined(spec)
    sooner = {"High": {"Period": metric.period}} if metric else {}  # what asks for fewer is never in a hurry
    kinds = [("High", "GreaterThanThreshold", target, _HIGH)]
    if not config.get("DisableScaleIn"):
        kinds.append(("Low", "LessThanThreshold", target * _IN_AT, _LOW))
    return {
        kind: {
            "AlarmName": f"TargetTracking-{spec['ResourceId']}-Alarm{kind}-{unique(scope, kind, policy.key)}",
            "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
            "AlarmActions": [policy.arn],
            "ComparisonOperator": comparison,
            "Threshold": float(threshold),
            "EvaluationPeriods": periods,
        }
        | _metric_of(spec)
        | sooner.get(kind, {})
        for kind, comparison, threshold, periods in kinds
    }


async def ensure(world: World, policy: Record) -> dict[str, Record]:
    """The alarms of a policy, made or put right where they are not as they must be. Raises AwsError when they cannot be."""
    scope = Scope(policy.account, policy.region)
    found: dict[str, Record] = {}
    for kind, request in alarms_of(policy).items():
        alarm = await world.table.get("Alarm", policy.account, policy.region, request["AlarmName"])
        if alarm is None or any(alarm.spec.get(name) != value for name, value in request.items()):
            alarm = await world.kinds["Alarm"].make(scope, request, policy.arn)
        found[kind] = alarm
    return found


async def remove(world: World, policy: Record) -> None:
    for kind in ("High", "Low"):
        scope = Scope(policy.account, policy.region)
        name = f"TargetTracking-{policy.spec['ResourceId']}-Alarm{kind}-{unique(scope, kind, policy.key)}"
        alarm = await world.table.get("Alarm", policy.account, policy.region, name)
        if alarm is not None:
            await world.table.delete(alarm)


async def say_idle(world: World, policy: Record) -> None:
    """A variant that nobody asked for a minute has invocations: none, and nothing that waits."""
    metric = _metric_of(policy.spec)
    if metric.get("Namespace") != METRICS or metric["MetricName"] not in _ZERO_WHEN_IDLE:
        return
    now, data = world.clock.now(), world.parts["metric_data"]
    pairs = tuple(sorted((one["Name"], one["Value"]) for one in metric["Dimensions"]))
    key = MetricKey(policy.account, policy.region, METRICS, metric["MetricName"], pairs)
    if not await data.observations(key, now - world.settings.alarm_minute_seconds, now):
        await data.record([(key, Observation(now, "None", 1.0, 0.0, 0.0, 0.0))])


def _predefined(spec: Mapping[str, Any]) -> Metric | None:
    chosen = spec["TargetTrackingScalingPolicyConfiguration"].get("PredefinedMetricSpecification") or {}
    return next((one for one in kind_of(spec).metrics if one.predefined == chosen.get("PredefinedMetricType")), None)


def _metric_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    metric = _predefined(spec)
    if metric is not None:
        return {
            "Namespace": METRICS,
            "MetricName": metric.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions_of(spec)],
            "Statistic": metric.statistic,
            "Period": PERIOD,
        }
    customized = spec["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    if customized.get("Metrics"):
        return {"Metrics": [_query(query) for query in customized["Metrics"]]}
    kept = {name: customized[name] for name in ("Namespace", "MetricName", "Statistic", "Unit") if customized.get(name)}
    return kept | {"Dimensions": customized.get("Dimensions", []), "Period": PERIOD}


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    return dict(query) | ({"MetricStat": {"Period": PERIOD} | query["MetricStat"]} if "MetricStat" in query else {})
