"""Variants that get more and fewer instances: by target tracking, steps, schedules and bounds."""

from typing import Any

import pytest

from salvia.base.errors import AwsError
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.table import Query
from tests import fakes
from tests.services.application_autoscaling.conftest import COPIES, DIMENSIONS, PLACE, PROVISIONED, RESOURCE, Bench


async def busy(bench: Bench, minutes: int, per_instance: float) -> None:
    for _ in range(minutes * 6):
        await bench.asked(per_instance / 6)
        await bench.pass_time(10)


async def test_target_tracking_adds_instances_under_load_and_takes_them_when_it_is_quiet(bench: Bench) -> None:
    await bench.register()
    put = await bench.track()
    await busy(bench, 2, 24.0)
    before = bench.endpoints.current
    await busy(bench, 3, 24.0)
    loaded = bench.endpoints.current
    await bench.pass_time(25 * 60)

    back, activity = await bench.activities()
    assert (before, loaded, bench.endpoints.current) == (1, 3, 1)
    assert activity["Description"] == "Setting desired instance count to 3."
    assert activity["Cause"] == f"monitor alarm {put['Alarms'][0]['AlarmName']} in state ALARM triggered policy p"
    assert activity["StatusCode"] == "Successful"
    assert activity["StatusMessage"] == (
        "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker."
    )
    assert "AlarmLow" in back["Cause"]


async def test_it_makes_the_two_alarms_that_aws_makes_and_takes_them_with_it(bench: Bench) -> None:
    await bench.register()
    put = await bench.track(100.0)
    high, low = (await bench.cloudwatch("DescribeAlarms"))["MetricAlarms"]
    (policy,) = (await bench("DescribeScalingPolicies", ServiceNamespace="sagemaker"))["ScalingPolicies"]
    await bench.track(100.0, DisableScaleIn=True)
    only = (await bench.cloudwatch("DescribeAlarms"))["MetricAlarms"]
    await bench("DeleteScalingPolicy", **PLACE, PolicyName="p")

    assert [one["AlarmName"] for one in put["Alarms"]] == [high["AlarmName"], low["AlarmName"]]
    assert high["AlarmName"].startswith(f"TargetTracking-{RESOURCE}-AlarmHigh-")
    assert (high["Threshold"], high["EvaluationPeriods"], high["Period"]) == (100.0, 3, 60)
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (90.0, 15, "LessThanThreshold")
    assert high["AlarmActions"] == [put["PolicyARN"]]
    assert policy["Alarms"] == put["Alarms"]
    assert [one["AlarmName"] for one in only] == [high["AlarmName"]]
    assert (await bench.cloudwatch("DescribeAlarms"))["MetricAlarms"] == []


async def test_capacity_stays_within_its_bounds_and_a_cooldown_is_kept(bench: Bench) -> None:
    await bench.register(1, 3)
    await bench.track(ScaleOutCooldown=600)
    await busy(bench, 4, 11.0)
    first = bench.endpoints.current
    await busy(bench, 5, 500.0)
    cooling = bench.endpoints.current
    await busy(bench, 8, 500.0)

    assert (first, cooling, bench.endpoints.current) == (2, 2, 3)


async def test_a_suspended_target_is_left_alone(bench: Bench) -> None:
    await bench.register(SuspendedState={"DynamicScalingOutSuspended": True})
    await bench.track()
    await busy(bench, 6, 50.0)
    left = bench.endpoints.current
    await bench("RegisterScalableTarget", **PLACE, SuspendedState={"DynamicScalingOutSuspended": False})
    await busy(bench, 2, 50.0)

    assert (left, bench.endpoints.current) == (1, 4)


async def test_an_alarm_whose_actions_are_off_scales_nothing(bench: Bench) -> None:
    await bench.register()
    put = await bench.track()
    await bench.cloudwatch("DisableAlarmActions", AlarmNames=[one["AlarmName"] for one in put["Alarms"]])
    await busy(bench, 6, 50.0)

    assert bench.endpoints.current == 1


async def test_a_variant_that_is_gone_says_nothing(bench: Bench) -> None:
    await bench.register()
    await bench.track()
    bench.endpoints.more = {"ProductionVariants": []}
    await bench.pass_time(120)
    listed = await bench.cloudwatch("ListMetrics", Namespace="AWS/SageMaker")

    assert listed["Metrics"] == []


async def test_a_metric_of_ones_own_is_tracked(bench: Bench) -> None:
    await bench.register()
    metric = {"Namespace": "n", "MetricName": "m", "Statistic": "Average"}
    await bench.track(50.0, CustomizedMetricSpecification=metric)
    for _ in range(5):
        await bench.cloudwatch("PutMetricData", Namespace="n", MetricData=[{"MetricName": "m", "Value": 99.0}])
        await bench.pass_time(60)

    assert bench.endpoints.current == 2


async def test_a_policy_whose_metric_cannot_be_computed_is_as_if_it_had_not_been_put(bench: Bench) -> None:
    await bench.register()
    broken = {"Metrics": [{"Id": "e1", "Expression": "m9 * 2", "ReturnData": True}]}
    with pytest.raises(AwsError, match="no query with the id m9"):
        await bench.track(CustomizedMetricSpecification=broken)

    assert (await bench("DescribeScalingPolicies", ServiceNamespace="sagemaker"))["ScalingPolicies"] == []


async def test_a_step_policy_follows_the_alarm_that_names_it(bench: Bench) -> None:
    await bench.register()
    config = {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 60,
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 20.0, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 20.0, "ScalingAdjustment": 2},
        ],
    }
    put = await bench("PutScalingPolicy", **PLACE, PolicyName="s", StepScalingPolicyConfiguration=config)
    await bench.cloudwatch(
        "PutMetricAlarm",
        AlarmName="busy",
        Namespace="n",
        MetricName="m",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=50.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[put["PolicyARN"]],
    )
    await bench.cloudwatch("PutMetricData", Namespace="n", MetricData=[{"MetricName": "m", "Value": 75.0}])
    await bench.pass_time(70)
    (policy,) = (await bench("DescribeScalingPolicies", ServiceNamespace="sagemaker"))["ScalingPolicies"]

    assert put["Alarms"] == []
    assert [one["AlarmName"] for one in policy["Alarms"]] == ["busy"]
    assert bench.endpoints.current == 3
    assert (await bench.activities())[0]["Cause"] == "monitor alarm busy in state ALARM triggered policy s"


async def test_a_scheduled_action_sets_the_bounds_and_the_capacity_follows_once(bench: Bench) -> None:
    await bench.register()
    await bench(
        "PutScheduledAction",
        **PLACE,
        ScheduledActionName="morning",
        Schedule="rate(5 minutes)",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 6},
    )
    await bench.pass_time(290)
    before = bench.endpoints.current
    await bench.pass_time(60)
    (target,) = (await bench("DescribeScalableTargets", ServiceNamespace="sagemaker"))["ScalableTargets"]
    bounds, scaled = sorted(await bench.activities(), key=lambda one: "minimum" in one["Cause"])

    assert (before, bench.endpoints.current) == (1, 2)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
    assert bounds["Cause"] == "scheduled action name morning was triggered"
    assert bounds["Description"] == "Setting min capacity to 2 and max capacity to 6"
    assert scaled["Cause"] == "minimum capacity was set to 2"


async def test_what_was_missed_while_no_server_ran_is_done_once(bench: Bench) -> None:
    await bench.register()
    await bench(
        "PutScheduledAction",
        **PLACE,
        ScheduledActionName="often",
        Schedule="rate(1 minute)",
        ScalableTargetAction={"MinCapacity": 2},
    )
    bench.clock.advance(3600)
    await bench.step()
    await bench.step()
    await bench.step()

    causes = [one["Cause"] for one in await bench.activities()]
    assert causes.count("scheduled action name often was triggered") == 1
    assert bench.endpoints.current == 2


async def test_an_activity_waits_for_the_endpoint_and_is_done_once_however_often_it_is_killed(bench: Bench) -> None:
    bench.endpoints.status = "Updating"
    await bench.register(2)
    await bench.pass_time(20)
    waiting = await bench.activities()
    bench.endpoints.status, bench.endpoints.prompt = "InService", False
    bench.clock.advance(1)
    await bench.step("ScalableTarget")
    (record,) = await bench.world.table.select(Query("ScalingActivity", fakes.ACCOUNT, fakes.REGION))
    await bench.world.kinds["ScalingActivity"].reconcile(record)  # and killed before it was recorded
    await bench.pass_time(10)
    (under_way,) = await bench.activities()
    bench.endpoints.current = 2
    await bench.pass_time(10)
    (done,) = await bench.activities()

    assert waiting == []
    assert under_way["StatusCode"] == "InProgress"
    assert (done["StatusCode"], bench.endpoints.desired) == ("Successful", 2)


async def test_deregistering_takes_policies_alarms_and_actions_with_it(bench: Bench) -> None:
    await bench.register()
    await bench.track()
    action = {"ScheduledActionName": "a", "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 1}}
    await bench("PutScheduledAction", **PLACE, **action)
    await bench("DeregisterScalableTarget", **PLACE)

    for operation in ("DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions"):
        (found,) = (await bench(operation, ServiceNamespace="sagemaker")).values()
        assert found == []
    assert (await bench.cloudwatch("DescribeAlarms"))["MetricAlarms"] == []


async def test_targets_have_tags(bench: Bench) -> None:
    arn = (await bench.register(Tags={"a": "1"}))["ScalableTargetARN"]
    await bench("TagResource", ResourceARN=arn, Tags={"b": "2"})
    await bench("UntagResource", ResourceARN=arn, TagKeys=["a"])

    assert await bench("ListTagsForResource", ResourceARN=arn) == {"Tags": {"b": "2"}}
    with pytest.raises(AwsError, match="does not exist"):
        await bench("ListTagsForResource", ResourceARN=f"{arn}0")


async def test_lists_have_pages(bench: Bench) -> None:
    await bench.register()
    for name in ("a", "b", "c"):
        action = {"ScheduledActionName": name, "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 1}}
        await bench("PutScheduledAction", **PLACE, **action)
    first = await bench("DescribeScheduledActions", ServiceNamespace="sagemaker", MaxResults=2)
    rest = await bench("DescribeScheduledActions", ServiceNamespace="sagemaker", NextToken=first["NextToken"])

    names = [one["ScheduledActionName"] for one in first["ScheduledActions"] + rest["ScheduledActions"]]
    assert names == ["a", "b", "c"]
    assert "NextToken" not in rest
    with pytest.raises(AwsError) as refused:
        await bench("DescribeScheduledActions", ServiceNamespace="sagemaker", NextToken="x")
    assert refused.value.code == "InvalidNextTokenException"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ServiceNamespace": "ecs"}, "ServiceNamespace ecs is not supported"),
        ({"ScalableDimension": "ecs:service:DesiredCount"}, "is not supported here: sagemaker:variant:DesiredInst"),
        ({"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}, "without anything to scale"),
        (
            {"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"},
            "a ResourceId is inference-component",
        ),
        (COPIES | {"ResourceId": "inference-component/none"}, "inference component not found"),
        ({"ResourceId": "endpoint/e"}, "endpoint/ENDPOINT/variant/VARIANT"),
        ({"ResourceId": "endpoint/e/variant/B"}, "variant not found"),
        ({"MinCapacity": 5}, "Maximum capacity cannot be less than minimum capacity"),
        ({"MinCapacity": -1}, "MinCapacity must be 0 or more"),
    ],
)
async def test_what_cannot_be_scaled_is_refused(bench: Bench, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        await bench("RegisterScalableTarget", **(PLACE | {"MinCapacity": 1, "MaxCapacity": 4} | changes))


async def test_what_is_not_there_is_told_in_aws_words(bench: Bench) -> None:
    place = (
        f"for service namespace: sagemaker, resource ID: {RESOURCE}, "
        "scalable dimension: sagemaker:variant:DesiredInstanceCount"
    )
    with pytest.raises(AwsError, match=f"No scalable target registered {place}") as refused:
        await bench.track()
    with pytest.raises(AwsError, match=f"No scalable target found {place}"):
        await bench("DeregisterScalableTarget", **PLACE)
    with pytest.raises(AwsError, match=f"No scaling policy found {place}, policy name: p"):
        await bench("DeleteScalingPolicy", **PLACE, PolicyName="p")

    assert refused.value.code == "ObjectNotFoundException"


async def test_an_asynchronous_endpoint_can_have_no_instance(bench: Bench) -> None:
    bench.endpoints.more = {"AsyncInferenceConfig": {"OutputConfig": {}}}
    await bench.register(0)
    backlog = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        "Statistic": "Average",
    }
    await bench.track(5.0, CustomizedMetricSpecification=backlog)
    await bench.pass_time(20 * 60)

    assert bench.endpoints.current == 0


async def test_a_variant_that_nobody_asks_falls_asleep_where_there_may_be_no_instance(bench: Bench) -> None:
    idle = bench.world.settings.serverless_idle_seconds
    await bench.register(0)
    await bench.pass_time(idle - 20)
    key = MetricKey(fakes.ACCOUNT, fakes.REGION, "AWS/SageMaker", "Invocations", DIMENSIONS)
    await bench.metrics.record([(key, Observation(bench.clock.now(), "None", 1, 1, 1, 1))])
    await bench.pass_time(idle - 20)
    before = bench.endpoints.current
    await bench.pass_time(60)

    assert (before, bench.endpoints.current) == (1, 0)
    assert (await bench.activities())[0]["Cause"] == f"nobody has asked for {idle:g} seconds"


async def test_what_was_woken_is_not_put_to_sleep_for_what_was_before(bench: Bench) -> None:
    await bench.register(0)
    await bench.track(5.0)
    await bench.pass_time(20 * 60)
    asleep = bench.endpoints.current
    bench.endpoints.current = bench.endpoints.desired = 1
    (endpoint,) = await bench.world.table.select(Query("Endpoint", fakes.ACCOUNT, fakes.REGION))
    endpoint.modified = bench.clock.now()
    await bench.world.table.save_wish(endpoint)
    await bench.pass_time(40)

    assert (asleep, bench.endpoints.current) == (0, 1)


async def test_an_asynchronous_endpoint_does_not_fall_asleep_by_itself(bench: Bench) -> None:
    bench.endpoints.more = {"AsyncInferenceConfig": {"OutputConfig": {}}}
    await bench.register(0)
    await bench.pass_time(20 * 60)

    assert bench.endpoints.current == 1


async def test_what_is_provisioned_follows_how_much_of_it_is_used(bench: Bench) -> None:
    bench.endpoints.serverless = True
    await bench("RegisterScalableTarget", **PROVISIONED, MinCapacity=1, MaxCapacity=4)
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    await bench(
        "PutScalingPolicy",
        **PROVISIONED,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"PredefinedMetricSpecification": metric, "TargetValue": 0.5},
    )
    high, _ = (await bench.cloudwatch("DescribeAlarms"))["MetricAlarms"]
    for _ in range(24):
        key = MetricKey(fakes.ACCOUNT, fakes.REGION, "AWS/SageMaker", high["MetricName"], DIMENSIONS)
        await bench.metrics.record([(key, Observation(bench.clock.now(), "None", 10, 14, 1, 2))])
        await bench.pass_time(10)
    loaded = bench.endpoints.current
    await bench.pass_time(25 * 60)

    assert (high["MetricName"], high["Statistic"]) == ("ServerlessProvisionedConcurrencyUtilization", "Average")
    assert (loaded, bench.endpoints.current) == (3, 1)
    (first, *_) = (await bench("DescribeScalingActivities", ServiceNamespace="sagemaker"))["ScalingActivities"]
    assert first["Description"] == "Setting desired provisioned concurrency to 1."


async def test_more_is_added_within_the_minute_by_how_much_is_in_hand(bench: Bench) -> None:
    await bench.register()
    fast = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    await bench.track(5.0, PredefinedMetricSpecification=fast)
    high, low = (await bench.cloudwatch("DescribeAlarms"))["MetricAlarms"]
    key = MetricKey(fakes.ACCOUNT, fakes.REGION, "AWS/SageMaker", high["MetricName"], DIMENSIONS)
    for _ in range(6):
        await bench.metrics.record([(key, Observation(bench.clock.now(), "Count", 20, 20 * 14.0, 12, 16))])
        await bench.pass_time(10)
    loaded = bench.endpoints.current
    await bench.pass_time(25 * 60)

    assert (high["MetricName"], high["Statistic"]) == ("ConcurrentRequestsPerModel", "Average")
    assert [(one["Period"], one["EvaluationPeriods"]) for one in (high, low)] == [(10, 3), (60, 15)]
    assert (loaded, bench.endpoints.current) == (3, 1)


async def test_what_is_not_told_of_a_variant_cannot_be_tracked(bench: Bench) -> None:
    await bench.register()
    other = {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}
    with pytest.raises(AwsError, match="is not supported for sagemaker:variant:DesiredInstanceCount"):
        await bench.track(5.0, PredefinedMetricSpecification=other)


async def test_something_is_always_provisioned_where_it_is_scaled(bench: Bench) -> None:
    bench.endpoints.serverless = True
    with pytest.raises(AwsError, match="MinCapacity must be 1 or more"):
        await bench("RegisterScalableTarget", **PROVISIONED, MinCapacity=0, MaxCapacity=4)
    await bench("RegisterScalableTarget", **PROVISIONED, MinCapacity=1, MaxCapacity=4)
    action = {"Schedule": "rate(1 minute)", "ScalableTargetAction": {"MinCapacity": 2}}
    await bench("PutScheduledAction", **PROVISIONED, ScheduledActionName="morning", **action)
    await bench.pass_time(120)

    assert bench.endpoints.current == 2


async def test_a_component_follows_the_invocations_of_its_copies_down_to_none(bench: Bench) -> None:
    await bench("RegisterScalableTarget", **COPIES, MinCapacity=0, MaxCapacity=4)
    metric = {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}
    await bench(
        "PutScalingPolicy",
        **COPIES,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"PredefinedMetricSpecification": metric, "TargetValue": 10.0},
    )
    for _ in range(30):
        await bench.measured("InvocationsPerCopy", 5.0)
        await bench.pass_time(10)
    loaded = bench.components.current
    await bench.pass_time(25 * 60)

    assert (loaded, bench.components.current) == (3, 0)
    first, *_ = (await bench("DescribeScalingActivities", ServiceNamespace="sagemaker"))["ScalingActivities"]
    assert first["Description"] == "Setting desired copy count to 0."


async def test_a_request_to_a_component_without_copies_wakes_it_by_the_policy_that_aws_documents(bench: Bench) -> None:
    bench.components.current = bench.components.desired = 0
    await bench("RegisterScalableTarget", **COPIES, MinCapacity=0, MaxCapacity=4)
    steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
    policy = await bench(
        "PutScalingPolicy",
        **COPIES,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": 60,
            "StepAdjustments": steps,
        },
    )
    await bench.cloudwatch(
        "PutMetricAlarm",
        AlarmName="asked",
        AlarmActions=[policy["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": "i"}],
        Statistic="Maximum",
        Period=30,
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
    )
    await bench.pass_time(120)
    quiet = bench.components.current
    await bench.measured("NoCapacityInvocationFailures", 1.0)
    await bench.pass_time(60)

    assert (quiet, bench.components.current) == (0, 1)


async def test_a_change_that_never_comes_about_ends_as_a_failure(bench: Bench) -> None:
    bench.components.prompt = False
    await bench("RegisterScalableTarget", **COPIES, MinCapacity=2, MaxCapacity=4)
    await bench.pass_time(1840)

    (activity,) = (await bench("DescribeScalingActivities", ServiceNamespace="sagemaker"))["ScalingActivities"]
    assert activity["StatusCode"] == "Failed"
    assert "sagemaker has not fulfilled it" in activity["StatusMessage"]
