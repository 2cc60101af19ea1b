"""The unmodified boto3: alarms that take an update back, on a server whose minutes last a second."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.hosting import Hosting, variant
from tests.servers import Server

pytestmark = pytest.mark.slow
PATIENCE = 120.0  # seconds; a busy machine is slow


@pytest.fixture(scope="module")
def hosting() -> Iterator[Hosting]:
    quick = {"SALVIA_ALARM_MINUTE_SECONDS": "1", "SALVIA_METRIC_SECONDS": "0.2"}
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
    said: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                said.append(hosting.ask(name)[0])
            except ClientError as error:
                said.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
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
    done.set()
    for thread in threads:
        thread.join()
    shown = hosting.in_service(name)
    (alarm,) = hosting.cloudwatch.describe_alarms(AlarmNames=["worse"])["MetricAlarms"]
    hosting.delete(name)
    hosting.cloudwatch.delete_alarms(AlarmNames=["worse"])

    assert "[worse]" in shown["FailureReason"]
    assert set(said) == {1, 2}
    assert set(said[settled + 10 :]) == {1}
    assert alarm["AlarmName"] == "worse"
