"""What PutMetricAlarm takes, and what it says to the rest."""

from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Arn, Scope
from salvia.base.errors import AwsError
from salvia.services.cloudwatch.alarms.rule import COMPARISONS
from salvia.services.cloudwatch.metric_data import check
from salvia.services.cloudwatch.statistic import statistic

# behaves: changes what happens. recorded: kept, shown by DescribeAlarms, and changes nothing here. refused: with a ValidationError.
MEMBERS = {
    "AlarmName": "behaves",
    "AlarmDescription": "behaves",
    "ActionsEnabled": "behaves",
    "OKActions": "behaves",
    "AlarmActions": "behaves",
    "InsufficientDataActions": "behaves",
    "MetricName": "behaves",
    "Namespace": "behaves",
    "Statistic": "behaves",
    "ExtendedStatistic": "behaves",
    "Dimensions": "behaves",
    "Period": "behaves",
    "Unit": "behaves",
    "EvaluationPeriods": "behaves",
    "DatapointsToAlarm": "behaves",
    "Threshold": "behaves",
    "ComparisonOperator": "behaves",
    "TreatMissingData": "behaves",
    "Metrics": "behaves",
    "Tags": "behaves",
    "EvaluateLowSampleCountPercentile": "recorded",
    "ThresholdMetricId": "refused",
    "EvaluationWindow": "refused",
    "WarmUpConfiguration": "refused",
    "EvaluationCriteria": "refused",
    "EvaluationInterval": "refused",
    "ActionConfiguration": "refused",
}
ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}  # by state
_ACTORS = frozenset({"autoscaling", "sns"})  # services whose ARNs are acted on
_TREATMENTS = frozenset({"breaching", "notBreaching", "ignore", "missing"})
_SHORT = frozenset({10, 20, 30})
_DAY = 86_400
_SINGLE = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")


class AlarmInvalid(AwsError):
    code = "ValidationError"


class CombinationInvalid(AwsError):
    code = "InvalidParameterCombination"


def admitted(request: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The request, complete. Raises AwsError for what cannot be an alarm here."""
    for member, state in MEMBERS.items():
        if state == "refused" and request.get(member):
            raise AlarmInvalid(f"{member} is not supported here: an alarm compares one metric with a fixed threshold.")
    for member in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if member not in request:
            raise AlarmInvalid(f"{member} must not be null.")
    if request["ComparisonOperator"] not in COMPARISONS:
        raise AlarmInvalid(f"{request['ComparisonOperator']} needs anomaly detection, which is not supported here.")
    if request.get("TreatMissingData", "missing") not in _TREATMENTS:
        raise AlarmInvalid(
            f"Value '{request['TreatMissingData']}' at 'treatMissingData' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(sorted(_TREATMENTS))}]"
        )
    if request.get("EvaluateLowSampleCountPercentile", "evaluate") not in {"evaluate", "ignore"}:
        raise AlarmInvalid("EvaluateLowSampleCountPercentile must be evaluate or ignore.")
    if request.get("DatapointsToAlarm", 1) > request["EvaluationPeriods"]:
        raise AlarmInvalid("DatapointsToAlarm must not be greater than EvaluationPeriods.")
    _check_metrics(request)
    _check_span(period_of(request) * request["EvaluationPeriods"], period_of(request))
    for member in ACTIONS.values():
        for action in request.get(member) or ():
            _check_action(member, action, scope)
    return {"ActionsEnabled": True, "Dimensions": []} | {member: [] for member in ACTIONS.values()} | dict(request)


def queries_of(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The metric data that an alarm looks at, as GetMetricData would be asked for it, by Id."""
    if spec.get("Metrics"):
        return {query["Id"]: query for query in spec["Metrics"]}
    metric = {name: spec[name] for name in ("Namespace", "MetricName", "Dimensions") if spec.get(name)}
    stat = {"Metric": metric, "Period": spec["Period"], "Stat": spec.get("Statistic") or spec["ExtendedStatistic"]}
    return {"m1": {"Id": "m1", "MetricStat": stat | ({"Unit": spec["Unit"]} if spec.get("Unit") else {})}}


def returned(queries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name, query in queries.items() if query.get("ReturnData", True)]


def period_of(spec: Mapping[str, Any]) -> int:
    """In seconds, as the request names it."""
    if not spec.get("Metrics"):
        return int(spec["Period"])
    named = [query["MetricStat"]["Period"] for query in spec["Metrics"] if "MetricStat" in query]
    return max(named, default=60)


def _check_metrics(request: Mapping[str, Any]) -> None:
    if "Metrics" not in request:
        for member in ("MetricName", "Namespace", "Period"):
            if member not in request:
                raise AlarmInvalid(f"{member} must not be null.")
        if ("Statistic" in request) == ("ExtendedStatistic" in request):
            raise CombinationInvalid("Exactly one of Statistic and ExtendedStatistic must be specified.")
        statistic(request.get("Statistic") or request["ExtendedStatistic"])
        return
    both = [member for member in _SINGLE if request.get(member)]
    if both:
        raise AlarmInvalid(f"{both[0]} must not be specified beside Metrics.")
    if not request["Metrics"]:
        raise AlarmInvalid("Metrics list must not be empty.")
    queries = queries_of(request)
    if len(queries) < len(request["Metrics"]):
        raise AlarmInvalid("Metrics: the values of Id must be different.")
    check(queries)
    if len(returned(queries)) != 1:
        raise AlarmInvalid("Exactly one element of the metrics list should return data.")
    periods = {query["MetricStat"]["Period"] for query in request["Metrics"] if "MetricStat" in query}
    if len(periods) > 1:
        raise AlarmInvalid("Metrics: every MetricStat of an alarm must have the same Period.")


def _check_span(span: int, period: int) -> None:
    if period not in _SHORT and period % 60:
        raise AlarmInvalid("Period must be 10, 20, 30 or a multiple of 60.")
    if span > (7 * _DAY if period >= 3600 else _DAY):
        days = "seven days" if period >= 3600 else "a day"
        raise AlarmInvalid(
            f"Metrics cannot be checked across more than {days} "
            f"(EvaluationPeriods * Period must be <= {7 * _DAY if period >= 3600 else _DAY})."
        )


def _check_action(member: str, action: str, scope: Scope) -> None:
    try:
        arn = Arn.parse(action)
    except ValueError:
        raise AlarmInvalid(f"Invalid arn syntax: {action}") from None
    if arn.service not in _ACTORS:
        raise AlarmInvalid(f"{member}: {action} cannot be acted on here: scaling policies and SNS topics can.")
    if arn.region != scope.region:
        raise AlarmInvalid(f"Invalid region {arn.region} specified. Only {scope.region} is supported.")
