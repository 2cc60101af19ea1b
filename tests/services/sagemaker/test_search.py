"""Search finds what its expression says."""

from pathlib import Path
from typing import Any

import pytest

from salvia.base.errors import Unsupported, ValidationError
from salvia.services.sagemaker.search import search
from tests import fakes
from tests.services.sagemaker.training.conftest import Bench


@pytest.fixture
async def jobs(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    for number, eta in enumerate(("0.1", "0.2", "0.3")):
        bench.clock.advance(1)
        tags = [{"Key": "team", "Value": f"t{number}"}]
        await bench.create(f"job-{number}", HyperParameters={"eta": eta}, Tags=tags)
    return bench


async def found(bench: Bench, expression: dict[str, Any] | None = None, **params: Any) -> list[str]:
    call = fakes.call("Search", Resource="TrainingJob", SearchExpression=expression or {}, **params)
    return [result["TrainingJob"]["TrainingJobName"] for result in (await search(bench.world, call))["Results"]]


def filter_(name: str, operator: str, value: str = "") -> dict[str, Any]:
    return {"Name": name, "Operator": operator} | ({"Value": value} if value else {})


@pytest.mark.parametrize("token", ["!", "LTU=", "eA==", "MWU1"])
async def test_a_made_up_token_is_refused(jobs: Bench, token: str) -> None:
    with pytest.raises(ValidationError, match="NextToken"):
        await found(jobs, NextToken=token)


async def test_without_an_expression_everything_is_found_newest_first(jobs: Bench) -> None:
    assert await found(jobs) == ["job-2", "job-1", "job-0"]


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        (filter_("TrainingJobName", "Contains", "-1"), ["job-1"]),
        (filter_("HyperParameters.eta", "GreaterThan", "0.15"), ["job-2", "job-1"]),
        (filter_("HyperParameters.eta", "LessThanOrEqualTo", "0.2"), ["job-1", "job-0"]),
        (filter_("Tags.team", "Equals", "t0"), ["job-0"]),
        (filter_("Tags.team", "In", "t0,t2"), ["job-2", "job-0"]),
        (filter_("TrainingJobName", "NotEquals", "job-0"), ["job-2", "job-1"]),
        (filter_("FailureReason", "Exists"), []),
        (filter_("FailureReason", "NotExists"), ["job-2", "job-1", "job-0"]),
        (filter_("ResourceConfig.InstanceCount", "Equals", "1"), ["job-2", "job-1", "job-0"]),
    ],
)
async def test_a_filter_keeps_what_it_says(jobs: Bench, filter_: dict[str, Any], names: list[str]) -> None:
    assert await found(jobs, {"Filters": [filter_]}) == names


async def test_or_and_and_nest(jobs: Bench) -> None:
    either = {"Filters": [filter_("Tags.team", "Equals", "t0"), filter_("Tags.team", "Equals", "t2")], "Operator": "Or"}

    assert await found(
        jobs, {"Filters": [filter_("HyperParameters.eta", "LessThan", "0.3")], "SubExpressions": [either]}
    ) == ["job-0"]


async def test_a_nested_filter_looks_at_one_item_at_a_time(jobs: Bench) -> None:
    nested = {
        "NestedPropertyName": "InputDataConfig",
        "Filters": [
            filter_("InputDataConfig.ChannelName", "Equals", "train"),
            filter_("InputDataConfig.CompressionType", "Equals", "Gzip"),
        ],
    }

    assert await found(jobs, {"NestedFilters": [nested]}) == []


async def test_pages_follow_each_other(jobs: Bench) -> None:
    first = await search(jobs.world, fakes.call("Search", Resource="TrainingJob", MaxResults=2))

    assert await found(jobs, NextToken=first["NextToken"]) == ["job-0"]
    assert first["TotalHits"] == {"Value": 3, "Relation": "EqualTo"}


async def test_a_resource_that_is_not_served_is_refused(jobs: Bench) -> None:
    with pytest.raises(Unsupported, match="Search over Endpoint"):
        await search(jobs.world, fakes.call("Search", Resource="Endpoint"))
