"""Application Auto Scaling of endpoints' variants and inference components: bounds, policies, schedules, and what became of them."""

from salvia.resources.service import Service
from salvia.services.application_autoscaling import policy, scheduled, target
from salvia.services.application_autoscaling.activity import ScalingActivity, describe_scaling_activities

SERVICE = Service(
    "application-autoscaling",
    kinds=(target.ScalableTarget, policy.ScalingPolicy, scheduled.ScheduledAction, ScalingActivity),
    operations={
        "RegisterScalableTarget": target.register_scalable_target,
        "DeregisterScalableTarget": target.deregister_scalable_target,
        "DescribeScalableTargets": target.describe_scalable_targets,
        "PutScalingPolicy": policy.put_scaling_policy,
        "DeleteScalingPolicy": policy.delete_scaling_policy,
        "DescribeScalingPolicies": policy.describe_scaling_policies,
        "PutScheduledAction": scheduled.put_scheduled_action,
        "DeleteScheduledAction": scheduled.delete_scheduled_action,
        "DescribeScheduledActions": scheduled.describe_scheduled_actions,
        "DescribeScalingActivities": describe_scaling_activities,
        "TagResource": target.tag_resource,
        "UntagResource": target.untag_resource,
        "ListTagsForResource": target.list_tags,
    },
)
