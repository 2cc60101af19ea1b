"""CloudWatch metrics: put, list, statistics and metric math. Alarms, dashboards and the rest are refused for now."""

from salvia.resources.service import Service
from salvia.services.cloudwatch import metric_data, metrics, statistics_of_one

SERVICE = Service(
    "cloudwatch",
    operations={
        "PutMetricData": metrics.put_metric_data,
        "ListMetrics": metrics.list_metrics,
        "GetMetricStatistics": statistics_of_one.get_metric_statistics,
        "GetMetricData": metric_data.get_metric_data,
    },
)
