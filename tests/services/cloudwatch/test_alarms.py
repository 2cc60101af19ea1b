"""Alarms: which state the data says, in which words, and the operations about them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from salvia.adapters.logs.store import FileLogStore
from salvia.adapters.metrics.sqlite import SqliteMetrics
from salvia.base.call import Call
from salvia.base.clock import SetClock
from salvia.base.errors import AwsError
from salvia.ports.table import Record
from salvia.services.cloudwatch import SERVICE
from salvia.services.cloudwatch.alarms.alarm import Alarm
from salvia.services.cloudwatch.alarms.request import MEMBERS
from salvia.services.cloudwatch.alarms.rule import Rule
from tests import fakes

NOW = 1_900_000_000.0 // 3600 * 3600
STAYS = ""
TABLES = [  # the tables of the CloudWatch user guide: missing, ignore, breaching, notBreaching
    (3, "0-X-X", ("OK", "OK", "OK", "OK")),
    (3, "----0", ("OK", "OK", "OK", "OK")),
    (3, "-----", ("INSUFFICIENT_DATA", STAYS, "ALARM", "OK")),
    (3, "0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "--X--", ("ALARM", STAYS, "ALARM", "OK")),
    (2, "0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0-X--", ("OK", "OK", "ALARM", "OK")),
    (2, "----0", ("OK", "OK", "ALARM", "OK")),
    (2, "---X-", ("ALARM", STAYS, "ALARM", "OK")),
]


@pytest.mark.parametrize(("needed", "data", "states"), TABLES)
def test_missing_data_is_treated_as_the_user_guide_s_tables_say(
    needed: int, data: str, states: tuple[str, ...]
) -> None:
    window = [None if one == "-" else (60.0 * n, 9.0 if one == "X" else 0.0) for n, one in enumerate(data)]
    rules = [
        Rule("GreaterThanThreshold", 5.0, 3, needed, missing)
        for missing in ("missing", "ignore", "breaching", "notBreaching")
    ]

    assert tuple(rule.decide(window).state for rule in rules) == states


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanOrEqualToThreshold", [5.0, 6.0]),
        ("GreaterThanThreshold", [6.0]),
        ("LessThanThreshold", [4.0]),
        ("LessThanOrEqualToThreshold", [4.0, 5.0]),
    ],
)
def test_values_are_compared_as_the_operator_says(comparison: str, breaching: list[float]) -> None:
    rule = Rule(comparison, 5.0, 1, 1)

    assert [value for value in (4.0, 5.0, 6.0) if rule.breaches(value)] == breaching


class Bench:
    def __init__(self, folder: Path, metrics: SqliteMetrics, clock: SetClock) -> None:
        self.world = fakes.world(folder)
        self.world.clock = self.clock = clock
        self.world.parts["metric_data"] = self.metrics = metrics
        self.kind = Alarm(self.world, fakes.MODELS.service("cloudwatch"))
        self.world.kinds["Alarm"] = self.kind

    async def __call__(self, operation: str, **params: Any) -> Any:
        call = Call("cloudwatch", operation, params, fakes.CALLER, fakes.REGION)
        return await SERVICE.operations[operation](self.world, call)

    async def put(self, **changes: Any) -> None:
        request = {
            "AlarmName": "a",
            "Namespace": "n",
            "MetricName": "m",
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        } | changes
        await self("PutMetricAlarm", **{name: value for name, value in request.items() if value is not None})

    async def observed(self, value: float, seconds_ago: float = 0.0) -> None:
        datum = {"MetricName": "m", "Value": value, "Timestamp": self.clock.now() - seconds_ago}
        await self("PutMetricData", Namespace="n", MetricData=[datum])

    async def step(self, name: str = "a") -> float | None:
        record = cast(Record, await self.world.table.get("Alarm", fakes.ACCOUNT, fakes.REGION, name))
        delay = await self.kind.reconcile(record)
        await self.world.table.save_fact(record, "worker")
        return delay

    async def shown(self, **params: Any) -> Any:
        return (await self("DescribeAlarms", **params))["MetricAlarms"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = SetClock(NOW)
    logs = FileLogStore(tmp_path / "logs", clock)
    metrics = SqliteMetrics(tmp_path / "metrics.sqlite", logs.events)
    yield Bench(tmp_path, metrics, clock)
    await metrics.close()
    await logs.stop()


def test_every_member_of_the_request_is_answered_for() -> None:
    asked = fakes.MODELS.service("cloudwatch").operation("PutMetricAlarm").input

    assert asked is not None
    assert set(asked.members) == set(MEMBERS)


async def test_an_alarm_begins_without_data_and_follows_its_metric(bench: Bench) -> None:
    await bench.put()
    (first,) = await bench.shown()
    await bench.observed(7.0)
    bench.clock.advance(61)
    await bench.step()
    (alarm,) = await bench.shown()
    await bench.observed(1.0)
    bench.clock.advance(60)
    delay = await bench.step()
    (calm,) = await bench.shown()

    assert (first["StateValue"], first["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert alarm["StateReason"] == (
        "Threshold Crossed: 1 out of the last 1 datapoints [7.0 (17/03/30 17:00:00)] was greater than the threshold "
        "(5.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert orjson.loads(alarm["StateReasonData"])["recentDatapoints"] == [7.0]
    assert (alarm["StateValue"], calm["StateValue"], delay) == ("ALARM", "OK", 59.0)
    assert "was not greater than the threshold (5.0) (minimum 1 datapoint for ALARM -> OK" in calm["StateReason"]
    assert alarm["AlarmArn"] == f"arn:aws:cloudwatch:us-west-2:{fakes.ACCOUNT}:alarm:a"


async def test_data_that_stays_away_is_told(bench: Bench) -> None:
    await bench.put(EvaluationPeriods=2)
    await bench.put(AlarmName="b", TreatMissingData="breaching")
    await bench.observed(1.0)
    bench.clock.advance(60)
    await bench.step()
    bench.clock.advance(600)
    await bench.step()
    await bench.step("b")
    first, second = await bench.shown()

    assert first["StateReason"] == "Insufficient Data: 2 datapoints were unknown."
    assert second["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."
    )


async def test_periods_below_a_minute_are_looked_at_every_ten_seconds(bench: Bench) -> None:
    await bench.put(Period=10)
    await bench.observed(9.0)
    bench.clock.advance(10)
    delay = await bench.step()

    assert delay == 10.0
    assert (await bench.shown())[0]["StateValue"] == "ALARM"


async def test_an_alarm_on_metric_math_computes_it(bench: Bench) -> None:
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "m1", "MetricStat": stat, "ReturnData": False},
        {"Id": "e1", "Expression": "m1 * 10", "ReturnData": True},
    ]
    single = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    await bench.put(Metrics=queries, **single)
    await bench.observed(0.6)
    bench.clock.advance(60)
    await bench.step()

    assert (await bench.shown())[0]["StateValue"] == "ALARM"
    with pytest.raises(AwsError, match="there is no query with the id m9"):
        await bench.put(Metrics=[{"Id": "e1", "Expression": "m9 * 10"}], **single)


async def test_a_state_that_was_set_counts_until_the_next_evaluation(bench: Bench) -> None:
    await bench.put(TreatMissingData="notBreaching")
    await bench("SetAlarmState", AlarmName="a", StateValue="ALARM", StateReason="a test")
    (at_once,) = await bench.shown()
    delay = await bench.step()
    (kept,) = await bench.shown(StateValue="ALARM")
    await bench.step()
    (after,) = await bench.shown()

    assert (at_once["StateValue"], at_once["StateReason"], kept["StateReason"]) == ("ALARM", "a test", "a test")
    assert delay == 120.0
    assert after["StateValue"] == "OK"


async def test_alarms_are_found_by_name_prefix_state_metric_and_page(bench: Bench) -> None:
    for name in ("b2", "b1", "c"):
        await bench.put(AlarmName=name, Dimensions=[{"Name": "x", "Value": name}])
    page = await bench("DescribeAlarms", MaxRecords=2)
    rest = await bench.shown(NextToken=page["NextToken"])
    of_metric = await bench(
        "DescribeAlarmsForMetric", Namespace="n", MetricName="m", Dimensions=[{"Name": "x", "Value": "c"}]
    )

    assert [one["AlarmName"] for one in page["MetricAlarms"]] == ["b1", "b2"]
    assert [one["AlarmName"] for one in rest] == ["c"]
    assert [one["AlarmName"] for one in await bench.shown(AlarmNamePrefix="b")] == ["b1", "b2"]
    assert [one["AlarmName"] for one in await bench.shown(AlarmNames=["c", "none"])] == ["c"]
    assert await bench.shown(StateValue="OK") == []
    assert [one["AlarmName"] for one in of_metric["MetricAlarms"]] == ["c"]


async def test_putting_an_alarm_again_changes_it_and_keeps_its_state(bench: Bench) -> None:
    await bench.put(Tags=[{"Key": "k", "Value": "v"}])
    await bench.observed(7.0)
    bench.clock.advance(60)
    await bench.step()
    await bench.put(Threshold=100.0)
    (alarm,) = await bench.shown()
    tags = await bench("ListTagsForResource", ResourceARN=alarm["AlarmArn"])

    assert (alarm["StateValue"], alarm["Threshold"]) == ("ALARM", 100.0)
    assert tags == {"Tags": [{"Key": "k", "Value": "v"}]}


async def test_actions_are_switched_and_alarms_deleted_all_or_none(bench: Bench) -> None:
    await bench.put()
    await bench("DisableAlarmActions", AlarmNames=["a", "none"])
    (off,) = await bench.shown()
    with pytest.raises(AwsError, match="none") as refused:
        await bench("DeleteAlarms", AlarmNames=["a", "none"])
    left = await bench.shown()
    await bench("DeleteAlarms", AlarmNames=["a"])

    assert off["ActionsEnabled"] is False
    assert (refused.value.code, len(left)) == ("ResourceNotFound", 1)
    assert await bench.shown() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Period": 45}, "10, 20, 30 or a multiple of 60"),
        ({"Period": 3000, "EvaluationPeriods": 40}, "more than a day"),
        ({"DatapointsToAlarm": 2}, "must not be greater than EvaluationPeriods"),
        ({"TreatMissingData": "maybe"}, "enum value set"),
        ({"Threshold": None}, "Threshold must not be null"),
        ({"Statistic": None}, "Statistic and ExtendedStatistic"),
        ({"ExtendedStatistic": "p900", "Statistic": None}, "p900"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "anomaly detection"),
        ({"AlarmActions": ["here"]}, "Invalid arn syntax"),
        ({"AlarmActions": ["arn:aws:lambda:us-west-2:000000000000:function:f"]}, "cannot be acted on here"),
        ({"Metrics": []}, "must not be specified beside Metrics"),
    ],
)
async def test_what_cannot_be_an_alarm_is_refused(bench: Bench, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        await bench.put(**changes)

    assert await bench.shown() == []


async def test_minutes_can_be_made_shorter_to_see_in_seconds_what_an_alarm_does(bench: Bench) -> None:
    bench.world.settings = type(bench.world.settings)(data=bench.world.settings.data, alarm_minute_seconds=1.0)
    await bench.put(EvaluationPeriods=2)
    for _ in range(2):
        await bench.observed(7.0)
        bench.clock.advance(1)
    delay = await bench.step()

    assert delay == 1.0
    assert (await bench.shown())[0]["StateValue"] == "ALARM"


async def test_topics_among_the_actions_are_told_of_a_change_once(bench: Bench) -> None:
    told: list[tuple[str, Any, str, str]] = []

    async def publish(topic_arn: str, texts: dict[str, str], name: str, subject: str) -> None:
        told.append((topic_arn, orjson.loads(texts["default"]), name, subject))

    bench.world.parts["publish"] = publish
    topic = f"arn:aws:sns:us-west-2:{fakes.ACCOUNT}:t"
    await bench.put(AlarmActions=[topic], Dimensions=[{"Name": "x", "Value": "y"}])
    await bench(
        "PutMetricData",
        Namespace="n",
        MetricData=[{"MetricName": "m", "Value": 9.0, "Timestamp": NOW, "Dimensions": [{"Name": "x", "Value": "y"}]}],
    )
    bench.clock.advance(60)
    record = cast(Record, await bench.world.table.get("Alarm", fakes.ACCOUNT, fakes.REGION, "a"))
    await bench.kind.reconcile(record)  # and killed before it was recorded
    await bench.step()
    await bench.step()
    await bench("DisableAlarmActions", AlarmNames=["a"])
    await bench("SetAlarmState", AlarmName="a", StateValue="OK", StateReason="r")
    await bench.step()

    assert [one[2] for one in told] == [told[0][2]] * 2
    arn, document, _, subject = told[0]
    assert (arn, subject) == (topic, 'ALARM: "a" in us-west-2')
    assert (document["OldStateValue"], document["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert document["Trigger"]["Statistic"] == "AVERAGE"
    assert document["Trigger"]["Dimensions"] == [{"value": "y", "name": "x"}]
