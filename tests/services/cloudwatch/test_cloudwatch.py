"""Metrics as clients of CloudWatch put and get them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from salvia.adapters.logs.store import FileLogStore
from salvia.adapters.metrics.sqlite import SqliteMetrics
from salvia.base.call import Call, Caller
from salvia.base.clock import SetClock
from salvia.base.errors import AwsError
from salvia.ports.metrics import Observation, Sample
from salvia.resources.world import World
from salvia.services.cloudwatch import SERVICE
from salvia.services.cloudwatch.math_functions import Series
from salvia.services.cloudwatch.metric_math import Expression
from salvia.services.cloudwatch.statistic import statistic

NOW = 1_900_000_000.0 // 3600 * 3600
ACCOUNT, REGION = "000000000000", "us-west-2"


class CloudWatch:
    def __init__(self, metrics: SqliteMetrics) -> None:
        self.metrics = metrics
        self.world = cast(World, SimpleNamespace(clock=SetClock(NOW), metrics=metrics, parts={"metric_data": metrics}))

    async def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        caller = Caller(account=ACCOUNT, arn="", user_id="")
        call = Call(service="cloudwatch", operation=operation, params=params, caller=caller, region=REGION)
        act = cast(Callable[[World, Call], Awaitable[dict[str, Any]]], SERVICE.operations[operation])
        return await act(self.world, call)

    async def put(self, **datum: Any) -> None:
        await self("PutMetricData", Namespace="n", MetricData=[{"MetricName": "m", "Timestamp": NOW, **datum}])

    async def points(self, *statistics: str, **params: Any) -> list[dict[str, Any]]:
        asked = {"Period": 60, "StartTime": NOW, "EndTime": NOW + 600, "Statistics": list(statistics), **params}
        answer = await self("GetMetricStatistics", Namespace="n", MetricName="m", **asked)
        return cast(list[dict[str, Any]], answer["Datapoints"])

    async def data(self, *queries: dict[str, Any], **params: Any) -> dict[str, Any]:
        asked = {"StartTime": NOW, "EndTime": NOW + 600, "ScanBy": "TimestampAscending", **params}
        return await self("GetMetricData", MetricDataQueries=list(queries), **asked)


@pytest.fixture
async def cloudwatch(tmp_path: Path) -> AsyncIterator[CloudWatch]:
    clock = SetClock(NOW)
    logs = FileLogStore(tmp_path / "logs", clock)
    metrics = SqliteMetrics(tmp_path / "metrics.sqlite", logs.events)
    yield CloudWatch(metrics)
    await metrics.close()
    await logs.stop()


def stat(name: str, statistic: str = "Sum", **query: Any) -> dict[str, Any]:
    metric = {"Namespace": "n", "MetricName": name}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}, **query}


async def test_what_the_platform_records_is_what_training_analytics_asks_for(cloudwatch: CloudWatch) -> None:
    samples = [Sample("train:rmse", value, NOW + value, {"TrainingJobName": "job"}) for value in (1.0, 2.0, 61.0)]
    await cloudwatch.metrics.put(ACCOUNT, REGION, "/aws/sagemaker/TrainingJobs", samples)

    answer = await cloudwatch(
        "GetMetricStatistics",
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="train:rmse",
        Dimensions=[{"Name": "TrainingJobName", "Value": "job"}],
        StartTime=NOW + 0.7,
        EndTime=NOW + 180,
        Period=60,
        Statistics=["Average"],
    )
    assert answer["Datapoints"] == [
        {"Timestamp": NOW, "Average": 1.5, "Unit": "None"},
        {"Timestamp": NOW + 60, "Average": 61.0, "Unit": "None"},
    ]


async def test_values_counts_and_statistic_sets_add_up(cloudwatch: CloudWatch) -> None:
    await cloudwatch.put(Value=1.0)
    await cloudwatch.put(Values=[2.0, 3.0], Counts=[2.0, 1.0])
    await cloudwatch.put(StatisticValues={"SampleCount": 2.0, "Sum": 10.0, "Minimum": 0.5, "Maximum": 9.5})

    (point,) = await cloudwatch.points("SampleCount", "Sum", "Average", "Minimum", "Maximum")
    assert point == {
        "Timestamp": NOW,
        "Unit": "None",
        "SampleCount": 6.0,
        "Sum": 18.0,
        "Average": 3.0,
        "Minimum": 0.5,
        "Maximum": 9.5,
    }


async def test_each_unit_has_data_points_of_its_own(cloudwatch: CloudWatch) -> None:
    await cloudwatch.put(Value=1.0, Unit="Seconds")
    await cloudwatch.put(Value=2.0, Unit="Bytes")

    assert {point["Unit"]: point["Sum"] for point in await cloudwatch.points("Sum")} == {"Seconds": 1.0, "Bytes": 2.0}
    assert [point["Sum"] for point in await cloudwatch.points("Sum", Unit="Bytes")] == [2.0]


async def test_percentiles_need_single_values(cloudwatch: CloudWatch) -> None:
    await cloudwatch.put(Values=[float(value) for value in range(1, 101)])
    asked = {"ExtendedStatistics": ["p50", "p90"], "Statistics": []}
    assert (await cloudwatch.points(**asked))[0]["ExtendedStatistics"] == {"p50": 50.5, "p90": pytest.approx(90.1)}

    await cloudwatch.put(StatisticValues={"SampleCount": 2.0, "Sum": 10.0, "Minimum": 0.5, "Maximum": 9.5})
    assert await cloudwatch.points(**asked) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p0", 1),
        ("p100", 10),
        ("tm50", 3),
        ("TM(10%:90%)", 5.5),
        ("TM(2:4)", 3.5),
        ("tc(10%:90%)", 8),
        ("ts(:5)", 15),
        ("wm(10%:90%)", 5.5),
        ("pr(:3)", 30),
        ("IQM", 5.5),
    ],
)
def test_extended_statistics(name: str, value: float) -> None:
    found = [Observation(NOW, "None", 1, number, number, number) for number in range(1, 11)]

    assert statistic(name)(found) == pytest.approx(value)


@pytest.mark.parametrize("name", ["p101", "median", "tm(5:", "pr(1%:2%)", "tm(:)"])
def test_a_statistic_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(AwsError, match="is invalid"):
        statistic(name)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Statistics": []}, "Statistics or ExtendedStatistics"),
        ({"Period": 61}, "Period must be"),
        ({"StartTime": NOW + 600}, "must be less than"),
        ({"EndTime": NOW + 60 * 1441}, "1,441 datapoints"),
    ],
)
async def test_a_question_that_breaks_a_rule_is_refused(
    cloudwatch: CloudWatch, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message):
        await cloudwatch.points(*params.pop("Statistics", ["Sum"]), **params)


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        ({"Value": float("nan")}, "is invalid"),
        ({"Value": 2.0**361}, "is invalid"),
        ({}, "is required"),
        ({"Value": 1.0, "Values": [1.0]}, "mutually exclusive"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "same size"),
        ({"Value": 1.0, "Timestamp": NOW - 15 * 86_400}, "past two weeks"),
        ({"Value": 1.0, "Timestamp": NOW + 3 * 3600}, "two hours in the future"),
        ({"StatisticValues": {"SampleCount": 0.0, "Sum": 0.0, "Minimum": 0.0, "Maximum": 0.0}}, "greater than 0"),
    ],
)
async def test_data_that_breaks_a_rule_is_refused_whole(
    cloudwatch: CloudWatch, datum: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message):
        await cloudwatch.put(**datum)
    assert (await cloudwatch("ListMetrics"))["Metrics"] == []


async def test_metrics_are_listed_by_dimension_and_in_pages(cloudwatch: CloudWatch) -> None:
    data = [
        {"MetricName": f"m{number}", "Value": 1.0, "Dimensions": [{"Name": "parity", "Value": str(number % 2)}]}
        for number in range(900)
    ]
    await cloudwatch("PutMetricData", Namespace="n", MetricData=data)
    first = await cloudwatch("ListMetrics", Namespace="n")
    rest = await cloudwatch("ListMetrics", Namespace="n", NextToken=first["NextToken"])
    odd = await cloudwatch("ListMetrics", Dimensions=[{"Name": "parity", "Value": "1"}])

    assert (len(first["Metrics"]), len(rest["Metrics"]), "NextToken" in rest) == (500, 400, False)
    assert len(odd["Metrics"]) == 450
    assert "NextToken" not in odd
    assert (await cloudwatch("ListMetrics", Namespace="n", Dimensions=[{"Name": "other"}]))["Metrics"] == []


async def test_series_and_expressions_come_together(cloudwatch: CloudWatch) -> None:
    for minute in range(3):
        data = [
            {"MetricName": name, "Value": value, "Timestamp": NOW + 60 * minute}
            for name, value in (("a", 1.0), ("b", 4.0))
        ]
        await cloudwatch("PutMetricData", Namespace="n", MetricData=data)
    answer = await cloudwatch.data(
        stat("a", ReturnData=False), stat("b"), {"Id": "e", "Expression": "100 * a / SUM([a, b])", "Label": "share"}
    )

    results = {result["Id"]: result for result in answer["MetricDataResults"]}
    assert results.keys() == {"b", "e"}
    assert (results["e"]["Label"], results["e"]["Values"]) == ("share", [20.0, 20.0, 20.0])
    assert results["b"]["Timestamps"] == [NOW, NOW + 60, NOW + 120]


async def test_data_come_in_pages_of_so_many_points(cloudwatch: CloudWatch) -> None:
    for minute in range(5):
        await cloudwatch.put(Value=float(minute), Timestamp=NOW + 60 * minute)
    values: list[float] = []
    token: dict[str, str] = {}
    while True:
        answer = await cloudwatch.data(stat("m"), MaxDatapoints=2, **token)
        values += answer["MetricDataResults"][0]["Values"]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}

    assert values == [0, 1, 2, 3, 4]


def series(**values: float) -> Series:
    return Series({NOW + 60 * int(minute[1:]): value for minute, value in values.items()}, 60, NOW)


A, B = series(t0=1, t1=2, t3=4), series(t0=10, t1=0, t2=30)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a + 1", [2, 3, 5]),
        ("-a ^ 2", [-1, -4, -16]),
        ("2 ^ 3 ^ 0 - a * 2", [0, -2, -6]),
        ("a / b", [0.1]),
        ("(a + b) * 2", [22, 4]),
        ("a > 1", [0, 1, 1]),
        ("a > 1 AND a < 4", [0, 1, 0]),
        ("IF(a >= 2, a, 0)", [0, 2, 4]),
        ("IF(a >= 2, a)", [2, 4]),
        ("FILL(a, 0)", [1, 2, 0, 4]),
        ("FILL(a, LINEAR)", [1, 2, 3, 4]),
        ("FILL(a, REPEAT)", [1, 2, 2, 4]),
        ("DIFF(a)", [1, 2]),
        ("RATE(a)", [1 / 60, 2 / 120]),
        ("RUNNING_SUM(a)", [1, 3, 7]),
        ("MAX([a, b])", [10, 2, 30, 4]),
        ("SUM(METRICS())", [11, 2, 30, 4]),
        ("a - AVG(a)", [1 - 7 / 3, 2 - 7 / 3, 4 - 7 / 3]),
        ("a * METRIC_COUNT(METRICS())", [2, 4, 8]),
        ("ABS(a - 3)", [2, 1, 1]),
        ("a + 0 * (STDDEV(b * 10 ^ 300) > 0)", [1, 2, 4]),
    ],
)
def test_metric_math(text: str, values: list[float]) -> None:
    result = Expression(text).evaluate({"a": A, "b": B}, {"a": A, "b": B})

    assert isinstance(result, Series)
    assert [value for _, value in result.ordered] == pytest.approx(values)


@pytest.mark.parametrize(
    "text",
    [
        "a +",
        "(a",
        "a b",
        "AND(a)",
        "REPEAT(1)",
        "NOSUCH(a)",
        "SELECT AVG(x) FROM y",
        "SEARCH('x', 'Average')",
        "a ? b",
        "[1]",
        "((" * 400,
    ],
)
def test_an_expression_that_cannot_be_computed_is_refused_in_words(text: str) -> None:
    with pytest.raises(AwsError, match=r"Error in expression|not supported"):
        Expression(text).evaluate({"a": A, "b": B}, {})


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([{"Id": "e", "Expression": "x + 1"}], "no query with the id x"),
        ([{"Id": "e", "Expression": "f"}, {"Id": "f", "Expression": "e"}], "need each other"),
        ([{"Id": "e", "Expression": "1"}], "not one time series"),
        ([{"Id": "E", "Expression": "1"}], "small letter"),
        ([{"Id": "e"}], "either a MetricStat or an Expression"),
        ([stat("a"), stat("a")], "must be different"),
        ([stat("a", "average")], "is invalid"),
    ],
)
async def test_queries_that_make_no_sense_are_refused(
    cloudwatch: CloudWatch, queries: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(AwsError, match=message):
        await cloudwatch.data(*queries)
