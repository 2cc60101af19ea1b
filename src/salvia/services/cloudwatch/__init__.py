"""CloudWatch: metrics, metric math and metric alarms. Composite alarms, dashboards and the rest are refused."""

from salvia.resources.service import Service
from salvia.services.cloudwatch import metric_data, metrics, statistics_of_one
from salvia.services.cloudwatch.alarms import operations as alarms
from salvia.services.cloudwatch.alarms.alarm import Alarm

SERVICE = Service(
    "cloudwatch",
    kinds=(Alarm,),
    operations={
        "PutMetricData": metrics.put_metric_data,
        "ListMetrics": metrics.list_metrics,
        "GetMetricStatistics": statistics_of_one.get_metric_statistics,
        "GetMetricData": metric_data.get_metric_data,
        "PutMetricAlarm": alarms.put_metric_alarm,
        "DescribeAlarms": alarms.describe_alarms,
        "DescribeAlarmsForMetric": alarms.describe_alarms_for_metric,
        "DeleteAlarms": alarms.delete_alarms,
        "SetAlarmState": alarms.set_alarm_state,
        "EnableAlarmActions": alarms.enable_alarm_actions,
        "DisableAlarmActions": alarms.disable_alarm_actions,
        "TagResource": alarms.tag_resource,
        "UntagResource": alarms.untag_resource,
        "ListTagsForResource": alarms.list_tags,
    },
)
