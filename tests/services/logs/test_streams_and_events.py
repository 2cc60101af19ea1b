"""Groups, streams and the events of one stream, as a client sees them."""

import pytest

from salvia.base.errors import AwsError
from tests.services.logs.conftest import ACCOUNT, NOW, REGION, Logs

DAY = 86_400_000


async def test_a_run_needs_no_group_made_for_it(logs: Logs) -> None:
    await logs.run_prints("hello\n", "/aws/sagemaker/TrainingJobs", "job/algo-1-1")

    described = await logs(
        "DescribeLogStreams",
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix="job/",
        orderBy="LogStreamName",
        limit=1,
    )
    assert [stream["logStreamName"] for stream in described["logStreams"]] == ["job/algo-1-1"]
    assert "nextToken" not in described
    assert described["logStreams"][0]["lastEventTimestamp"] == NOW
    assert described["logStreams"][0]["storedBytes"] == 6
    assert described["logStreams"][0]["arn"].endswith("log-group:/aws/sagemaker/TrainingJobs:log-stream:job/algo-1-1")


async def test_a_missing_group_and_a_missing_stream_are_told_apart(logs: Logs) -> None:
    with pytest.raises(AwsError, match="The specified log group does not exist"):
        await logs("GetLogEvents", logGroupName="g", logStreamName="s")
    await logs("CreateLogGroup", logGroupName="g")

    with pytest.raises(AwsError, match="The specified log stream does not exist") as refused:
        await logs("GetLogEvents", logGroupName="g", logStreamName="s")
    assert refused.value.code == "ResourceNotFoundException"


async def test_following_a_run_sees_each_line_once(logs: Logs) -> None:
    await logs.run_prints("one\ntwo\n")
    first = await logs("GetLogEvents", logGroupName="g", logStreamName="s", startFromHead=True)
    token = first["nextForwardToken"]
    end = await logs("GetLogEvents", logGroupName="g", logStreamName="s", startFromHead=True, nextToken=token)
    await logs.run_prints("three\n")
    more = await logs("GetLogEvents", logGroupName="g", logStreamName="s", startFromHead=True, nextToken=token)

    assert [event["message"] for event in first["events"]] == ["one", "two"]
    assert (end["events"], end["nextForwardToken"]) == ([], token)
    assert [event["message"] for event in more["events"]] == ["three"]


async def test_without_a_direction_the_latest_events_come(logs: Logs) -> None:
    await logs.run_prints("1\n2\n3\n")

    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s", limit=2) == ["2", "3"]


async def test_a_line_is_visible_as_soon_as_it_is_printed(logs: Logs) -> None:
    await logs.run_prints("now\n")

    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == ["now"]


async def test_put_events_are_ordered_by_time_across_batches(logs: Logs) -> None:
    await logs("CreateLogGroup", logGroupName="g")
    await logs("CreateLogStream", logGroupName="g", logStreamName="s")
    for shift in (10, 0):
        events = [{"timestamp": NOW + shift, "message": f"at {shift}\nsecond line"}]
        await logs("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=events)

    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == [
        "at 0\nsecond line",
        "at 10\nsecond line",
    ]


async def test_events_too_old_or_too_new_are_named_and_the_rest_kept(logs: Logs) -> None:
    await logs("CreateLogGroup", logGroupName="g")
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=5)
    await logs("CreateLogStream", logGroupName="g", logStreamName="s")
    times = [NOW - 15 * DAY, NOW - 6 * DAY, NOW, NOW + DAY]
    answer = await logs(
        "PutLogEvents",
        logGroupName="g",
        logStreamName="s",
        logEvents=[{"timestamp": time, "message": str(time)} for time in times],
    )

    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "expiredLogEventEndIndex": 2,
        "tooNewLogEventStartIndex": 3,
    }
    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == [str(NOW)]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(NOW, "a"), (NOW - 1, "b")], "chronological order"),
        ([(NOW, "x" * 700_000), (NOW, "y" * 700_000)], "Upload too large"),
        ([(NOW - 2 * DAY, "a"), (NOW, "b")], "24 hours"),
    ],
)
async def test_a_batch_that_breaks_a_rule_is_refused_whole(
    logs: Logs, events: list[tuple[int, str]], message: str
) -> None:
    await logs("CreateLogGroup", logGroupName="g")
    await logs("CreateLogStream", logGroupName="g", logStreamName="s")

    with pytest.raises(AwsError, match=message):
        await logs(
            "PutLogEvents",
            logGroupName="g",
            logStreamName="s",
            logEvents=[{"timestamp": time, "message": text} for time, text in events],
        )
    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == []


async def test_nobody_can_put_events_into_what_a_run_printed(logs: Logs) -> None:
    await logs.run_prints("true\n")

    with pytest.raises(AwsError, match="what a run prints"):
        await logs("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "x"}])


async def test_streams_page_by_name_and_by_last_event(logs: Logs) -> None:
    for name in "cab":
        await logs.run_prints(f"{name}\n", stream=name)
        await logs("DescribeLogStreams", logGroupName="g")  # looks at the file, as the watch does
        logs.clock.advance(10)

    for order, names in (
        ({"orderBy": "LogStreamName"}, "abc"),
        ({"orderBy": "LogStreamName", "descending": True}, "cba"),
        ({"orderBy": "LastEventTime"}, "cab"),
        ({"orderBy": "LastEventTime", "descending": True}, "bac"),
    ):
        found = ""
        token: dict[str, str] = {}
        while True:
            page = await logs("DescribeLogStreams", logGroupName="g", limit=2, **order, **token)
            found += "".join(stream["logStreamName"] for stream in page["logStreams"])
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert found == names


async def test_groups_page_and_filter(logs: Logs) -> None:
    for name in ("/aws/b", "/aws/a", "other", "/aws/c"):
        await logs("CreateLogGroup", logGroupName=name, tags={"team": name[-1]})
    first = await logs("DescribeLogGroups", logGroupNamePrefix="/aws/", limit=2)
    rest = await logs("DescribeLogGroups", logGroupNamePrefix="/aws/", limit=2, nextToken=first["nextToken"])
    tagged = await logs("ListLogGroups", logGroupTags=[{"key": "team", "values": ["!b"]}])

    assert [group["logGroupName"] for group in first["logGroups"] + rest["logGroups"]] == ["/aws/a", "/aws/b", "/aws/c"]
    assert "nextToken" not in rest
    assert [group["logGroupName"] for group in tagged["logGroups"]] == ["/aws/a", "/aws/c", "other"]
    assert len((await logs("DescribeLogGroups", logGroupNamePattern="the"))["logGroups"]) == 1


async def test_retention_hides_and_then_deletes_what_is_past_it(logs: Logs) -> None:
    await logs.run_prints("old\n")
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    await logs.store.runs.close_file(ACCOUNT, REGION, "g", "s")
    logs.clock.advance(2 * 86_400)

    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == []
    logs.store.sweep()
    await logs("DeleteRetentionPolicy", logGroupName="g")
    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == []
    assert (await logs("DescribeLogGroups"))["logGroups"][0]["storedBytes"] == 0


async def test_a_deleted_group_takes_its_events_along(logs: Logs) -> None:
    await logs.run_prints("gone\n")
    await logs("DeleteLogGroup", logGroupName="g")
    await logs.run_prints("new\n")

    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s") == ["new"]


async def test_a_protected_group_is_not_deleted(logs: Logs) -> None:
    await logs("CreateLogGroup", logGroupName="g", deletionProtectionEnabled=True)
    with pytest.raises(AwsError, match="deletion protection"):
        await logs("DeleteLogGroup", logGroupName="g")
    await logs("PutLogGroupDeletionProtection", logGroupIdentifier="g", deletionProtectionEnabled=False)

    await logs("DeleteLogGroup", logGroupName="g")
    assert (await logs("DescribeLogGroups"))["logGroups"] == []


async def test_tags_by_arn_and_by_name_are_the_same(logs: Logs) -> None:
    await logs("CreateLogGroup", logGroupName="g", tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    await logs("TagResource", resourceArn=arn, tags={"b": "2"})
    await logs("UntagLogGroup", logGroupName="g", tags=["a"])

    assert await logs("ListTagsForResource", resourceArn=arn) == {"tags": {"b": "2"}}
    assert await logs("ListTagsLogGroup", logGroupName="g") == {"tags": {"b": "2"}}


async def test_a_group_may_be_named_by_its_arn(logs: Logs) -> None:
    await logs.run_prints("here\n")
    arn = (await logs("DescribeLogGroups"))["logGroups"][0]["arn"]

    assert await logs.messages("GetLogEvents", logGroupIdentifier=arn, logStreamName="s") == ["here"]


@pytest.mark.parametrize("token", ["x/1", "f/", "f/" + "9" * 56, "1"])
async def test_a_made_up_token_is_refused(logs: Logs, token: str) -> None:
    await logs.run_prints("x\n")

    with pytest.raises(AwsError, match="nextToken is invalid"):
        await logs("GetLogEvents", logGroupName="g", logStreamName="s", nextToken=token)


@pytest.mark.parametrize("stream", ["../../../etc/passwd", "..", ".hidden", "a/b", "x" * 512, "\u00fc~ %2F", "a.log"])
async def test_no_name_leads_out_of_the_folder(logs: Logs, stream: str) -> None:
    await logs.run_prints("inside\n", "/../g", stream)
    path = await logs.store.runs.open_file(ACCOUNT, REGION, "/../g", stream)

    assert path.parent.parent == logs.store.folder / ACCOUNT / REGION
    assert await logs.messages("GetLogEvents", logGroupName="/../g", logStreamName=stream) == ["inside"]


@pytest.mark.parametrize("kind", ["run", "put"])
async def test_times_beyond_all_time_find_nothing_and_break_nothing(logs: Logs, kind: str) -> None:
    if kind == "run":
        await logs.run_prints("x\n")
    else:
        await logs("CreateLogGroup", logGroupName="g")
        await logs("CreateLogStream", logGroupName="g", logStreamName="s")
        await logs("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "x"}])
    far = 1 << 80
    page = await logs("GetLogEvents", logGroupName="g", logStreamName="s", startTime=far, startFromHead=True)
    token = page["nextForwardToken"]

    assert page["events"] == []
    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s", nextToken=token) == []
    assert await logs.messages("GetLogEvents", logGroupName="g", logStreamName="s", endTime=far) == ["x"]
    assert await logs.messages("FilterLogEvents", logGroupName="g", startTime=far) == []
