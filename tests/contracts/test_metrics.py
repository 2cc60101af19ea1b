"""What every keeper of metrics promises: an adapter is a subclass with a fixture that opens them over one place."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio

from salvia.adapters.logs.store import FileLogStore
from salvia.adapters.metrics.sqlite import SqliteMetrics
from salvia.base.clock import SetClock
from salvia.ports.logs import StreamKey
from salvia.ports.metrics import MetricDefinition, MetricKey, Observation, Sample

ACCOUNT, REGION, SPACE = "000000000000", "us-west-2", "n"
NOW = 1_900_000_000.0
STREAM = StreamKey(ACCOUNT, REGION, "g", "s")
KEY = MetricKey(ACCOUNT, REGION, SPACE, "m", (("a", "1"), ("b", "2")))

Opening = Callable[[], SqliteMetrics]


class MetricsContract:
    """`opening` opens metrics over the same data, as another server would; `logs` is where they are scraped."""

    async def test_the_order_of_dimensions_does_not_matter(self, opening: Opening) -> None:
        metrics = opening()
        await metrics.put(ACCOUNT, REGION, SPACE, [Sample("m", 1.5, NOW, {"b": "2", "a": "1"})])

        assert await metrics.observations(KEY, NOW, NOW + 1) == [Observation(NOW, "None", 1, 1.5, 1.5, 1.5)]

    async def test_a_range_has_its_start_and_not_its_end(self, opening: Opening) -> None:
        metrics = opening()
        found = [(KEY, Observation(NOW + second, "None", 1, second, second, second)) for second in (2, 0, 1)]
        await metrics.record(found)

        assert [each.total for each in await metrics.observations(KEY, NOW, NOW + 2)] == [0, 1]

    async def test_other_dimensions_are_another_metric(self, opening: Opening) -> None:
        metrics = opening()
        await metrics.put(ACCOUNT, REGION, SPACE, [Sample("m", 1.5, NOW, {"a": "1"})])

        assert await metrics.observations(KEY, 0, NOW * 2) == []

    async def test_metrics_are_numbered_as_they_come(self, opening: Opening) -> None:
        metrics = opening()
        for name in "cab":
            await metrics.put(ACCOUNT, REGION, SPACE, [Sample(name, 1, NOW)])
        every = await opening().metrics(ACCOUNT, REGION)

        assert [key.name for _, key in every] == ["c", "a", "b"]
        assert await metrics.metrics(ACCOUNT, REGION, after=every[0][0], limit=1) == every[1:2]
        assert await metrics.metrics(ACCOUNT, REGION, name="a") == every[1:2]
        assert await metrics.metrics(ACCOUNT, REGION, active_since=NOW + 1) == []
        assert await metrics.metrics(ACCOUNT, "eu-west-1") == []

    async def test_a_scrape_goes_on_where_the_last_one_stopped_whoever_did_it(
        self, opening: Opening, logs: FileLogStore
    ) -> None:
        path = await logs.runs.open_file(*STREAM)
        definition = MetricDefinition("m", r"m=(\d+)")
        for number in range(4):
            with path.open("a") as file:
                file.write(f"m={number}\nunfinished ")
            latest = await opening().scrape(*STREAM, [definition], SPACE, dict(KEY.dimensions))
            assert [sample.value for sample in latest] == [number]

        assert [each.total for each in await opening().observations(KEY, 0, NOW * 2)] == [0, 1, 2, 3]

    async def test_after_the_log_is_gone_the_latest_samples_stay(self, opening: Opening, logs: FileLogStore) -> None:
        (await logs.runs.open_file(*STREAM)).write_text("m=7\n")
        definition = MetricDefinition("m", r"m=(\d+)")
        first = await opening().scrape(*STREAM, [definition], SPACE, {})
        await logs.groups.delete(STREAM.of_group)

        assert await opening().scrape(*STREAM, [definition], SPACE, {}) == first == [Sample("m", 7, NOW, {})]


class TestSqliteMetrics(MetricsContract):
    @pytest_asyncio.fixture
    async def logs(self, tmp_path: Path) -> AsyncIterator[FileLogStore]:
        store = FileLogStore(tmp_path / "logs", SetClock(NOW))
        yield store
        await store.stop()

    @pytest_asyncio.fixture
    async def opening(self, tmp_path: Path, logs: FileLogStore) -> AsyncIterator[Opening]:
        opened: list[SqliteMetrics] = []

        def opening() -> SqliteMetrics:
            opened.append(SqliteMetrics(tmp_path / "metrics.sqlite", logs.events))
            return opened[-1]

        yield opening
        for metrics in opened:
            await metrics.close()
