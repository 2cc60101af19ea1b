"""Metrics found in the logs of runs: each match once, whatever the pattern."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from salvia.adapters.logs.store import FileLogStore
from salvia.adapters.metrics.literal import required_literal
from salvia.adapters.metrics.match_worker import matched
from salvia.adapters.metrics.matcher import Matcher
from salvia.adapters.metrics.scrape import Scraper, number_in
from salvia.adapters.metrics.sqlite import SqliteMetrics
from salvia.base.clock import SetClock
from salvia.ports.logs import StreamKey, TimedText
from salvia.ports.metrics import MetricDefinition, MetricKey

ACCOUNT, REGION, GROUP, STREAM = "000000000000", "us-west-2", "/aws/sagemaker/TrainingJobs", "job/algo-1-1"
SPACE = "/aws/sagemaker/TrainingJobs"
JOB = {"TrainingJobName": "job"}
NOW = 1_900_000_000.0
XGBOOST = MetricDefinition("train:rmse", r".*\[[0-9]+\].*#011train-rmse:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*")


class Job:
    def __init__(self, folder: Path) -> None:
        self.clock = SetClock(NOW)
        self.folder = folder
        self.logs = FileLogStore(folder / "logs", self.clock)
        self.metrics = SqliteMetrics(folder / "metrics.sqlite", self.logs.events)

    async def prints(self, text: str) -> None:
        path = await self.logs.runs.open_file(ACCOUNT, REGION, GROUP, STREAM)
        with path.open("a") as file:
            file.write(text)

    async def scrape(self, *definitions: MetricDefinition, metrics: SqliteMetrics | None = None) -> dict[str, float]:
        latest = await (metrics or self.metrics).scrape(ACCOUNT, REGION, GROUP, STREAM, definitions, SPACE, JOB)
        return {sample.name: sample.value for sample in latest}

    async def recorded(self, name: str) -> list[float]:
        key = MetricKey(ACCOUNT, REGION, SPACE, name, (("TrainingJobName", "job"),))
        return [each.total for each in await self.metrics.observations(key, 0, NOW * 2)]


@pytest.fixture
async def job(tmp_path: Path) -> AsyncIterator[Job]:
    job = Job(tmp_path)
    yield job
    await job.metrics.close()
    await job.logs.stop()


async def test_aws_own_pattern_matches_lines_with_tabs(job: Job) -> None:
    await job.prints("[0]\ttrain-rmse:8.1\tvalidation-rmse:9.0\nnoise\n[1]\ttrain-rmse:7.25e-1\n")

    assert await job.scrape(XGBOOST) == {"train:rmse": 0.725}
    assert await job.recorded("train:rmse") == [8.1, 0.725]


async def test_each_match_is_recorded_once_however_often_one_scrapes(job: Job) -> None:
    for number in range(5):
        await job.prints(f"loss={number}\nlos")
        await job.scrape(MetricDefinition("loss", r"loss=(\S+)"))
        await job.scrape(MetricDefinition("loss", r"loss=(\S+)"))
        await job.prints(f"s={number}.5\n")

    assert await job.scrape(MetricDefinition("loss", r"loss=(\S+)")) == {"loss": 4.5}
    assert await job.recorded("loss") == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]


async def test_two_servers_record_each_match_once(job: Job) -> None:
    other = SqliteMetrics(job.folder / "metrics.sqlite", job.logs.events)
    definition = MetricDefinition("loss", r"loss=(\S+)")
    await job.prints("loss=1\n" * 10)
    await job.scrape(definition)
    await job.prints("loss=2\n" * 10)

    assert await job.scrape(definition, metrics=other) == {"loss": 2}
    await other.close()
    await job.scrape(definition)
    assert await job.recorded("loss") == [1] * 10 + [2] * 10


async def test_a_definition_that_never_matched_is_not_in_the_answer(job: Job) -> None:
    await job.prints("loss=1\n")

    assert await job.scrape(MetricDefinition("a", "accuracy=(.*)"), MetricDefinition("l", "loss=(.*)")) == {"l": 1}


async def test_nothing_is_matched_across_lines(job: Job) -> None:
    await job.prints("loss=\n17\n")

    assert await job.scrape(MetricDefinition("loss", r"loss=\s*(\d+)")) == {}


async def test_what_is_no_number_is_no_sample(job: Job) -> None:
    await job.prints("loss=nan\nloss=inf\nloss=low\n")

    assert await job.scrape(MetricDefinition("loss", r"loss=(\S+)")) == {}


async def test_what_is_no_regular_expression_finds_nothing(job: Job) -> None:
    await job.prints("loss=1\n")

    assert await job.scrape(MetricDefinition("bad", "loss=("), MetricDefinition("good", "loss=(.)")) == {"good": 1}


async def test_a_stream_that_is_not_there_has_no_metrics(job: Job) -> None:
    assert await job.scrape(XGBOOST) == {}


async def test_a_pattern_without_end_is_given_up_and_others_go_on() -> None:
    scraper = Scraper(Matcher(line_seconds=0.02))
    key = StreamKey("a", "r", "g", "s")
    text = [TimedText(1000, "\n".join(["a" * 40 + "! 7"] * 5))]
    definitions = [MetricDefinition("evil", r"(a+)+$"), MetricDefinition("good", r"! (\d)")]

    found = await scraper.find(key, definitions, text)

    assert [each.name for each in found] == ["good"] * 5
    assert [each.name for each in await scraper.find(key, definitions, text)] == ["good"] * 5
    await scraper.close()


def test_the_first_group_is_the_value_and_lines_may_match_often() -> None:
    assert matched(r"(\w)=(\d)", ["a=1 b=2", "", "c=3"], 1)["values"] == [(0, "a"), (0, "b"), (2, "c")]


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (XGBOOST.regex, "#011train-rmse:"),
        (r"loss: ([0-9.]+)", "loss: "),
        (r"(?i)loss", ""),
        (r"a|b", ""),
        (r"(?:abc)?x", "x"),
        (r"(?:abc)+x", "abc"),
        (r"[ab]+", ""),
    ],
)
def test_the_longest_text_that_each_match_holds(pattern: str, literal: str) -> None:
    assert required_literal(pattern) == literal


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 0.001), ("\u22122", -2), ("\uff13", 3), (" 4 ", 4), ("nan", None), ("5_0", None)]
)
def test_numbers_of_every_script(text: str, number: float | None) -> None:
    assert number_in(text) == number
