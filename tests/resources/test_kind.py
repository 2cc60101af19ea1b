"""A noun declared in a few lines has all the verbs of its model."""

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.base.call import Call
from salvia.base.errors import AwsError, InUse, ValidationError
from salvia.ports.table import Record
from salvia.resources.kind import Resource
from salvia.resources.tags import add_tags, delete_tags, list_tags
from salvia.resources.world import World
from tests import fakes


class Experiment(Resource):
    noun = "Experiment"


class Domain(Resource):
    noun = "Domain"
    initial_status = "InService"
    unsettled = frozenset({"Pending"})


def made(kind: type[Resource], folder: Path = Path("unused")) -> Any:
    world: World = fakes.world(folder)
    resource = kind(world, fakes.MODELS.service("sagemaker"))
    world.kinds[kind.noun] = resource
    return resource


async def names(kind: Any, **params: Any) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = await kind.list(fakes.call("ListExperiments", **params, **({"NextToken": token} if token else {})))
        found += [summary["ExperimentName"] for summary in page["ExperimentSummaries"]]
        token = page["NextToken"]
        if token is None:
            return found


async def filled(*given_names: str) -> Any:
    kind = made(Experiment)
    for name in given_names:
        kind.world.clock.advance(1)
        await kind.create(fakes.call("CreateExperiment", ExperimentName=name))
    return kind


async def test_what_was_created_is_described_with_its_arn_and_times() -> None:
    kind = made(Experiment)
    await kind.create(fakes.call("CreateExperiment", ExperimentName="E", Description="d"))
    shown = await kind.describe(fakes.call("DescribeExperiment", ExperimentName="E"))

    assert shown["ExperimentArn"] == "arn:aws:sagemaker:us-west-2:000000000000:experiment/e"
    assert (shown["ExperimentName"], shown["Description"]) == ("E", "d")
    assert shown["CreationTime"] == shown["LastModifiedTime"] == kind.world.clock.now()


async def test_another_account_or_region_sees_nothing_of_it() -> None:
    kind = await filled("e")
    elsewhere = fakes.call("DescribeExperiment", ExperimentName="e")
    elsewhere.region = "eu-west-1"

    with pytest.raises(AwsError, match="does not exist"):
        await kind.describe(elsewhere)


async def test_a_service_assigned_identity_is_drawn_and_returned() -> None:
    kind = made(Domain)
    created = await kind.create(fakes.call("CreateDomain", DomainName="d"))

    assert created["DomainId"].startswith("d-")
    assert (await kind.describe(fakes.call("DescribeDomain", DomainId=created["DomainId"])))["Status"] == "InService"


async def test_a_name_can_be_used_again_after_delete() -> None:
    kind = await filled("e")
    with pytest.raises(InUse, match="already exists"):
        await kind.create(fakes.call("CreateExperiment", ExperimentName="e"))
    await kind.delete(fakes.call("DeleteExperiment", ExperimentName="e"))
    await kind.create(fakes.call("CreateExperiment", ExperimentName="e"))


async def test_update_changes_what_it_names_and_nothing_else() -> None:
    kind = made(Experiment)
    await kind.create(fakes.call("CreateExperiment", ExperimentName="e", Description="old", DisplayName="n"))
    await kind.update(fakes.call("UpdateExperiment", ExperimentName="e", Description="new"))
    shown = await kind.describe(fakes.call("DescribeExperiment", ExperimentName="e"))

    assert (shown["Description"], shown["DisplayName"]) == ("new", "n")


async def test_lists_are_newest_first_unless_asked_otherwise() -> None:
    kind = await filled("b", "a", "c")

    assert await names(kind) == ["c", "a", "b"]
    assert await names(kind, SortOrder="Ascending") == ["b", "a", "c"]
    assert await names(kind, SortBy="Name", SortOrder="Ascending") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "token", ["!", "null", "[1]", "[[1], {}]", "[null, null]", '["a", "b"]', "[1, 2]", "[true, 1]"]
)
async def test_a_made_up_token_is_refused(token: str) -> None:
    kind = await filled("a")

    with pytest.raises(ValidationError, match="NextToken"):
        await kind.list(fakes.call("ListExperiments", NextToken=base64.b64encode(token.encode()).decode()))


async def test_a_token_of_another_order_is_refused() -> None:
    kind = await filled("a", "b")
    token = (await kind.list(fakes.call("ListExperiments", SortBy="Name", MaxResults=1)))["NextToken"]

    with pytest.raises(ValidationError, match="NextToken"):
        await kind.list(fakes.call("ListExperiments", SortBy="CreationTime", NextToken=token))


@given(st.integers(1, 7), st.integers(0, 12), st.sampled_from(["Ascending", "Descending"]))
async def test_pages_together_are_the_whole_list(size: int, count: int, order: str) -> None:
    kind = await filled(*(f"e{number:02}" for number in range(count)))
    whole = await names(kind, MaxResults=100, SortOrder=order)

    assert len(whole) == count
    assert await names(kind, MaxResults=size, SortOrder=order) == whole


async def test_times_filter() -> None:
    kind = await filled("a", "b", "c")

    assert await names(kind, CreatedAfter=kind.world.clock.now() - 1.5) == ["c", "b"]


async def test_tags_of_any_noun_are_added_listed_and_removed() -> None:
    kind = made(Experiment)
    await kind.create(fakes.call("CreateExperiment", ExperimentName="e", Tags=[{"Key": "a", "Value": "1"}]))
    arn = "arn:aws:sagemaker:us-west-2:000000000000:experiment/e"
    await add_tags(kind.world, tag_call("AddTags", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}]))
    await delete_tags(kind.world, tag_call("DeleteTags", ResourceArn=arn, TagKeys=["a"]))

    assert await list_tags(kind.world, tag_call("ListTags", ResourceArn=arn)) == {"Tags": [{"Key": "b", "Value": "2"}]}


async def test_tags_of_nothing_are_refused() -> None:
    with pytest.raises(AwsError, match="does not exist"):
        await list_tags(
            made(Experiment).world,
            tag_call("ListTags", ResourceArn="arn:aws:sagemaker:us-west-2:000000000000:experiment/x"),
        )


def tag_call(operation: str, **params: Any) -> Call:
    return fakes.call(operation, **params)


async def test_what_has_changed_since_it_was_last_described_is_shown_anew() -> None:
    kind = made(Experiment)
    await kind.create(fakes.call("CreateExperiment", ExperimentName="E", Description="old"))
    await kind.describe(fakes.call("DescribeExperiment", ExperimentName="E"))
    await kind.update(fakes.call("UpdateExperiment", ExperimentName="E", Description="new"))

    assert (await kind.describe(fakes.call("DescribeExperiment", ExperimentName="E")))["Description"] == "new"


async def test_a_name_that_was_given_again_shows_the_new_one() -> None:
    kind = made(Experiment)
    for description in ("first", "second"):
        await kind.create(fakes.call("CreateExperiment", ExperimentName="E", Description=description))
        shown = await kind.describe(fakes.call("DescribeExperiment", ExperimentName="E"))
        await kind.delete(fakes.call("DeleteExperiment", ExperimentName="E"))
        kind.world.clock.advance(1)

    assert shown["Description"] == "second"


@pytest.mark.parametrize(
    ("noun", "state", "fails"), [(Domain, "Pending", True), (Domain, "InService", False), (Experiment, "", False)]
)
def test_what_the_server_cannot_bring_on_fails_where_the_model_lets_it(
    noun: type[Resource], state: str, fails: bool
) -> None:
    record = Record(noun.noun, "0", "r", "key", "arn", 0.0, 0.0, {}, state=state)

    assert made(noun).let_fail(record, "why") is fails
    assert (record.state, record.status) == (("Failed", {"FailureReason": "why"}) if fails else (state, {}))
