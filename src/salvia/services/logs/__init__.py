"""CloudWatch Logs: groups, streams and events. What is not named here (Insights queries, live tail, ...) is refused."""

from salvia.resources.service import Service
from salvia.services.logs import events, filtering, groups, streams, tags

SERVICE = Service(
    "logs",
    operations={
        "CreateLogGroup": groups.create_log_group,
        "DeleteLogGroup": groups.delete_log_group,
        "DescribeLogGroups": groups.describe_log_groups,
        "ListLogGroups": groups.list_log_groups,
        "PutLogGroupDeletionProtection": groups.put_log_group_deletion_protection,
        "PutRetentionPolicy": groups.put_retention_policy,
        "DeleteRetentionPolicy": groups.delete_retention_policy,
        "CreateLogStream": streams.create_log_stream,
        "DeleteLogStream": streams.delete_log_stream,
        "DescribeLogStreams": streams.describe_log_streams,
        "PutLogEvents": events.put_log_events,
        "GetLogEvents": events.get_log_events,
        "FilterLogEvents": filtering.filter_log_events,
        "GetLogRecord": events.get_log_record,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
        "ListTagsForResource": tags.list_tags_for_resource,
        "TagLogGroup": tags.tag_log_group,
        "UntagLogGroup": tags.untag_log_group,
        "ListTagsLogGroup": tags.list_tags_log_group,
    },
)
