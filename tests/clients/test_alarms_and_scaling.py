"""The unmodified boto3: alarms that take an update back, and scaling, on a server whose minutes last a second."""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.hosting import BUCKET, ROLE, ROW, Hosting, variant
from tests.servers import Server

pytestmark = pytest.mark.slow
PATIENCE = 120.0  # seconds; a busy machine is slow


@pytest.fixture(scope="module")
def hosting() -> Iterator[Hosting]:
    quick = {"SALVIA_ALARM_MINUTE_SECONDS": "1", "SALVIA_METRIC_SECONDS": "0.2", "SALVIA_SERVERLESS_IDLE_SECONDS": "2"}
    with tempfile.TemporaryDirectory() as data, Server(Path(data), variables=quick) as server:
        yield Hosting(server.variables())


def until(look: Callable[[], Any], what: str) -> Any:
    """What `look` returns as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come in {PATIENCE:.0f} seconds")


def test_an_alarm_takes_an_update_back_and_no_request_is_lost(hosting: Hosting) -> None:
    name = hosting.deploy()
    hosting.cloudwatch.put_metric_alarm(
        AlarmName="worse",
        Namespace="quality",
        MetricName="complaints",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    hosting.cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=["worse"])
    routing = {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 600}
    hosting.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=hosting.config(variant("AllTraffic", "model-2")),
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "worse"}]},
        },
    )
    with hosting.load(name) as said:
        until(lambda: 2 in said, "an answer of the new fleet")
        datum = {"MetricName": "complaints", "Value": 11.0}
        until(
            lambda: (
                hosting.cloudwatch.put_metric_data(Namespace="quality", MetricData=[datum])
                and hosting.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
            ),
            "the end of the deployment",
        )
        settled = len(said)
        until(lambda: len(said) > settled + 20, "answers after it")
    shown = hosting.in_service(name)
    (alarm,) = hosting.cloudwatch.describe_alarms(AlarmNames=["worse"])["MetricAlarms"]
    hosting.delete(name)
    hosting.cloudwatch.delete_alarms(AlarmNames=["worse"])

    assert "[worse]" in shown["FailureReason"]
    assert set(said) == {1, 2}
    assert set(said[settled + 10 :]) == {1}
    assert alarm["AlarmName"] == "worse"


class Scaled:
    """An endpoint with one instance, and between how many it may have."""

    def __init__(self, hosting: Hosting, name: str) -> None:
        self.hosting, self.name = hosting, name
        self.place = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{name}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }

    @property
    def instances(self) -> int:
        shown = self.hosting.sagemaker.describe_endpoint(EndpointName=self.name)
        return int(shown["ProductionVariants"][0]["CurrentInstanceCount"])

    def put(self, name: str, **configuration: Any) -> str:
        answer = self.hosting.scaling.put_scaling_policy(**self.place, PolicyName=name, **configuration)
        return str(answer["PolicyARN"])

    @property
    def causes(self) -> list[str]:
        answer = self.hosting.scaling.describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=self.place["ResourceId"]
        )
        return [one["Cause"] for one in answer["ScalingActivities"]]


@pytest.fixture(scope="module")
def deployed(hosting: Hosting) -> Iterator[Scaled]:
    name = hosting.deploy()
    yield Scaled(hosting, name)
    hosting.delete(name)


@pytest.fixture
def scaled(deployed: Scaled) -> Iterator[Scaled]:
    deployed.hosting.in_service(deployed.name)
    wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]
    deployed.hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=deployed.name, DesiredWeightsAndCapacities=wish
    )
    until(lambda: deployed.instances == 1, "a single instance")
    deployed.hosting.in_service(deployed.name)
    deployed.hosting.scaling.register_scalable_target(**deployed.place, MinCapacity=1, MaxCapacity=2)
    yield deployed
    deployed.hosting.scaling.deregister_scalable_target(**deployed.place)


def test_target_tracking_scales_a_variant_out_under_load_and_back_in(hosting: Hosting, scaled: Scaled) -> None:
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    config = {
        "TargetValue": 2.0,
        "PredefinedMetricSpecification": metric,
        "ScaleOutCooldown": 0,
        "ScaleInCooldown": 0,
    }
    scaled.put("track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=config)
    with hosting.load(scaled.name) as said:
        until(lambda: scaled.instances == 2, "a second instance")
    until(lambda: scaled.instances == 1, "a single instance")
    alarms = hosting.cloudwatch.describe_alarms(AlarmNamePrefix=f"TargetTracking-{scaled.place['ResourceId']}")

    assert set(said) == {1}
    assert ["AlarmHigh" in scaled.causes[1], "AlarmLow" in scaled.causes[0]] == [True, True]
    assert len(alarms["MetricAlarms"]) == 2


def test_a_step_policy_adds_an_instance_when_its_alarm_says_so(hosting: Hosting, scaled: Scaled) -> None:
    steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 600}
    arn = scaled.put("step", PolicyType="StepScaling", StepScalingPolicyConfiguration=config)
    hosting.cloudwatch.put_metric_alarm(
        AlarmName="queue",
        Namespace="work",
        MetricName="waiting",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[arn],
    )
    datum = {"MetricName": "waiting", "Value": 11.0}
    until(
        lambda: hosting.cloudwatch.put_metric_data(Namespace="work", MetricData=[datum]) and scaled.instances == 2,
        "a second instance",
    )
    hosting.cloudwatch.delete_alarms(AlarmNames=["queue"])

    assert scaled.causes[0] == "monitor alarm queue in state ALARM triggered policy step"


def test_a_scheduled_action_adds_an_instance_at_its_time(hosting: Hosting, scaled: Scaled) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=6)).strftime("%Y-%m-%dT%H:%M:%S")
    hosting.scaling.put_scheduled_action(
        **scaled.place,
        ScheduledActionName="rush hour",
        Schedule=f"at({soon})",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 2},
    )
    until(lambda: scaled.instances == 2, "a second instance")
    (action,) = hosting.scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]

    assert action["Schedule"] == f"at({soon})"
    assert "scheduled action name rush hour was triggered" in scaled.causes


def test_what_a_serverless_endpoint_keeps_awake_follows_how_much_of_it_is_used(hosting: Hosting) -> None:
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 1}
    name = hosting.deploy({"VariantName": "AllTraffic", "ModelName": "model-1", "ServerlessConfig": serverless})
    place = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
    }
    hosting.scaling.register_scalable_target(**place, MinCapacity=1, MaxCapacity=2)
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    track = {"TargetValue": 0.5, "PredefinedMetricSpecification": metric, "ScaleOutCooldown": 0}
    hosting.scaling.put_scaling_policy(
        **place, PolicyName="track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=track
    )

    def awake() -> int:
        (shown,) = hosting.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
        return int(shown["CurrentServerlessConfig"]["ProvisionedConcurrency"])

    def provision(count: int) -> None:
        wish = [{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"ProvisionedConcurrency": count}}]
        hosting.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wish)

    with hosting.load(name) as said:
        until(lambda: awake() == 2, "a second container")
    hosting.scaling.deregister_scalable_target(**place)
    hosting.in_service(name)
    with pytest.raises(ClientError, match="must be less than or equal to MaxConcurrency"):
        provision(6)
    provision(1)
    until(lambda: awake() == 1, "a single container")
    dimensions = [{"Name": "EndpointName", "Value": name}]
    told = hosting.cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=dimensions)["Metrics"]
    machine = {"Namespace": "/aws/sagemaker/Endpoints", "MetricName": "CPUUtilization", "Dimensions": dimensions}
    until(lambda: hosting.cloudwatch.list_metrics(**machine)["Metrics"], "how much the processors do")
    hosting.in_service(name)
    hosting.delete(name)

    assert set(said) == {1}
    assert {one["MetricName"] for one in told} >= {"ServerlessProvisionedConcurrencyUtilization", "ModelSetupTime"}


def test_an_asynchronous_endpoint_sleeps_without_an_instance_and_wakes_for_a_request(hosting: Hosting) -> None:
    name = hosting.deploy(AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/zero"}})
    scaled = Scaled(hosting, name)
    hosting.scaling.register_scalable_target(**scaled.place, MinCapacity=0, MaxCapacity=1)
    dimensions = [{"Name": "EndpointName", "Value": name}]
    backlog = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": dimensions,
        "Statistic": "Average",
    }
    track = {"TargetValue": 5.0, "CustomizedMetricSpecification": backlog, "ScaleInCooldown": 0}
    scaled.put("track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=track)
    until(lambda: scaled.instances == 0, "the last instance's end")
    scaled.hosting.scaling.delete_scaling_policy(**scaled.place, PolicyName="track")
    wake = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    hosting.cloudwatch.put_metric_alarm(
        AlarmName="asked",
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=dimensions,
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[scaled.put("wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=wake)],
    )
    hosting.s3.put_object(Bucket=BUCKET, Key="zero.csv", Body=ROW)
    reply = hosting.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=f"s3://{BUCKET}/zero.csv", ContentType="text/csv"
    )
    key = reply["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    until(lambda: hosting.s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"], "the output")
    answer = hosting.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    hosting.scaling.deregister_scalable_target(**scaled.place)
    hosting.cloudwatch.delete_alarms(AlarmNames=["asked"])
    hosting.delete(name)

    assert round(float(answer)) == 1


def test_an_endpoint_that_nobody_asks_falls_asleep_and_the_next_request_wakes_it(hosting: Hosting) -> None:
    name = hosting.deploy()
    scaled = Scaled(hosting, name)
    hosting.scaling.register_scalable_target(**scaled.place, MinCapacity=0, MaxCapacity=1)
    until(lambda: scaled.instances == 0, "the last instance's end")
    said = hosting.ask(name)
    hosting.scaling.deregister_scalable_target(**scaled.place)
    hosting.delete(name)

    assert said == (1, "AllTraffic")


def test_a_component_scales_to_no_copy_and_no_instance_and_a_request_that_fails_wakes_it(hosting: Hosting) -> None:
    room = variant()
    del room["ModelName"]
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1}
    name = hosting.deploy(room | {"ManagedInstanceScaling": scaling}, ExecutionRoleArn=ROLE)
    component = hosting.component(name, 1)
    place = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{component}",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    hosting.scaling.register_scalable_target(**place, MinCapacity=0, MaxCapacity=2)
    metric = {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}
    track = {"TargetValue": 5.0, "PredefinedMetricSpecification": metric, "ScaleInCooldown": 0}
    hosting.scaling.put_scaling_policy(
        **place, PolicyName="track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=track
    )
    wake = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Maximum",
        "Cooldown": 60,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    policy = hosting.scaling.put_scaling_policy(
        **place, PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=wake
    )
    hosting.cloudwatch.put_metric_alarm(
        AlarmName="component asked",
        AlarmActions=[policy["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": component}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
    )
    instances = Scaled(hosting, name)
    until(lambda: instances.instances == 0, "the last instance's end")

    def answer() -> Any:
        try:
            return hosting.ask(name, InferenceComponentName=component)
        except ClientError as error:
            refusals.append(str(error))
            return None

    refusals: list[str] = []
    said = until(answer, "an answer")
    hosting.scaling.deregister_scalable_target(**place)
    hosting.cloudwatch.delete_alarms(AlarmNames=["component asked"])
    hosting.remove_component(component)
    hosting.delete(name)

    assert said == (1, "AllTraffic")
    assert "Inference Component has no capacity to process this request" in refusals[0]
