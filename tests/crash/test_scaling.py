"""kill -9 of the server while an endpoint is scaled, and while an alarm takes an update back."""

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.crash import endpoints
from tests.crash.cluster import PATIENCE, Cluster
from tests.crash.endpoints import BUCKET

pytestmark = pytest.mark.slow
PLACE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/A",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def test_a_scaling_and_a_rollback_happen_once_whatever_is_killed(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 1) as cluster:
        cluster.make_bucket(BUCKET)
        for name in ("one", "two"):
            endpoints.model(cluster, name)
        endpoints.wish(cluster, "create_endpoint", EndpointName="e", EndpointConfigName="one")
        endpoints.until(cluster, "InService", "one")
        soon = (datetime.now(UTC) + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S")
        action = {"ScheduledActionName": "more", "Schedule": f"at({soon})", "ScalableTargetAction": {"MinCapacity": 2}}
        scaling(cluster, "register_scalable_target", MinCapacity=1, MaxCapacity=2)
        scaling(cluster, "put_scheduled_action", **action)
        time.sleep(max(0.0, datetime.fromisoformat(f"{soon}+00:00").timestamp() - time.time() - 0.5))
        cluster.kill_at_random(3)
        done = activities(cluster)

        assert [one["Cause"] for one in done].count("minimum capacity was set to 2") == 1
        assert [one["Cause"] for one in done].count("scheduled action name more was triggered") == 1
        assert {one["StatusCode"] for one in done} == {"Successful"}
        assert len(endpoints.living(data)) == 2

        begin_guarded_update(cluster)
        endpoints.until(cluster, "Updating", "one")
        ring = {"AlarmName": "bad", "StateValue": "ALARM", "StateReason": "a drill"}
        cluster.ask("cloudwatch", lambda cloudwatch: cloudwatch.set_alarm_state(**ring))
        cluster.kill_at_random(2)
        endpoints.until(cluster, "InService", "one")
        shown = cluster.ask("sagemaker", lambda sagemaker: sagemaker.describe_endpoint(EndpointName="e"))

        assert "[bad]" in shown["FailureReason"]
        assert endpoints.said(cluster) == "one 1"


def scaling(cluster: Cluster, operation: str, **asked: Any) -> Any:
    return cluster.ask("application-autoscaling", lambda client: getattr(client, operation)(**PLACE, **asked))


def activities(cluster: Cluster) -> list[dict[str, Any]]:
    """When the capacity has been set and none is under way."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        asked = {"ServiceNamespace": "sagemaker", "ResourceId": PLACE["ResourceId"]}
        found: list[dict[str, Any]] = cluster.ask(
            "application-autoscaling", lambda client: client.describe_scaling_activities(**asked)["ScalingActivities"]
        )
        if len(found) >= 2 and all(one["StatusCode"] != "InProgress" for one in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"not scaled in {PATIENCE:.0f} seconds: {found}")


def begin_guarded_update(cluster: Cluster) -> None:
    endpoints.watch(cluster)
    routing = {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 600}
    guard = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]},
    }
    endpoints.wish(cluster, "update_endpoint", EndpointName="e", EndpointConfigName="two", DeploymentConfig=guard)
