"""The needs of CloudWatch, CloudWatch Logs and SNS requests."""

from collections.abc import Sequence

from salvia.base.arn import partition_of
from salvia.base.call import Call
from salvia.services.iam.needs.need import Need


def log_needs(call: Call) -> Sequence[Need]:
    """A group is asked for as `log-group:NAME:log-stream:`, so that a policy's `log-group:NAME:*` covers both levels."""
    params, action = call.params, f"logs:{call.operation}"
    prefix = f"arn:{partition_of(call.region)}:logs:{call.region}:{call.account}:log-group:"
    if "resourceArn" in params:
        return (Need(action, params["resourceArn"]),)
    groups = [*params.get("logGroupNames", ()), *params.get("logGroupIdentifiers", ())]
    single = params.get("logGroupName") or params.get("logGroupIdentifier")
    names = [single] if single else groups or [""]
    stream = params.get("logStreamName", "")
    arns = [name if name.startswith("arn:") else prefix + name for name in names]
    return [Need(action, f"{arn.removesuffix(':*')}:log-stream:{stream}", _tag_keys(call)) for arn in arns]


def metric_needs(call: Call) -> Sequence[Need]:
    """Metrics have no ARN; alarms and dashboards do."""
    params, action = call.params, f"cloudwatch:{call.operation}"
    partition = partition_of(call.region)
    alarms = [*params.get("AlarmNames", ()), *([params["AlarmName"]] if "AlarmName" in params else ())]
    if alarms:
        prefix = f"arn:{partition}:cloudwatch:{call.region}:{call.account}:alarm:"
        return [Need(action, prefix + name) for name in alarms]
    dashboards = [
        *params.get("DashboardNames", ()),
        *([params["DashboardName"]] if "DashboardName" in params else ()),
    ]
    if dashboards:
        return [Need(action, f"arn:{partition}:cloudwatch::{call.account}:dashboard/{name}") for name in dashboards]
    if "ResourceARN" in params:
        return (Need(action, params["ResourceARN"]),)
    keys = {"cloudwatch:namespace": (params["Namespace"],)} if "Namespace" in params else {}
    return (Need(action, "*", keys),)


def topic_needs(call: Call) -> Sequence[Need]:
    params, action = call.params, f"sns:{call.operation}"
    arn = params.get("TopicArn") or params.get("TargetArn") or params.get("ResourceArn")
    if not arn and "SubscriptionArn" in params:
        arn = params["SubscriptionArn"].rpartition(":")[0]  # a subscription is a part of its topic
    if not arn and call.operation == "CreateTopic":
        arn = f"arn:{partition_of(call.region)}:sns:{call.region}:{call.account}:{params['Name']}"
    return (Need(action, arn or "*"),)


def _tag_keys(call: Call) -> dict[str, Sequence[str]]:
    tags = call.params.get("tags")
    if not isinstance(tags, dict):
        return {}
    keys: dict[str, Sequence[str]] = {"aws:tagkeys": tuple(tags)}
    return keys | {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()}
