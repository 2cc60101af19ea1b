"""What every log store promises: an adapter is a subclass with a fixture that opens stores over one place."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from salvia.adapters.logs.store import FileLogStore
from salvia.base.clock import SetClock
from salvia.ports.logs import GroupKey, LogGroup, StreamKey

ACCOUNT, REGION = "000000000000", "us-west-2"
GROUP = GroupKey(ACCOUNT, REGION, "g")
STREAM = StreamKey(ACCOUNT, REGION, "g", "s")
NOW = 1_900_000_000_000

Opening = Callable[[], FileLogStore]


def print_into(path: Path, text: str, clock: SetClock) -> None:
    with path.open("a") as file:
        file.write(text)
    os.utime(path, (clock.now(), clock.now()))


class LogStoreContract:
    """`opening` opens one more store over the same data, as another server would; `clock` is everybody's."""

    @pytest.fixture
    def clock(self) -> SetClock:
        return SetClock(NOW / 1000)

    @pytest_asyncio.fixture
    async def store(self, opening: Opening) -> FileLogStore:
        store = opening()
        await store.groups.create(LogGroup(GROUP, NOW))
        return store

    async def messages(self, store: FileLogStore, key: StreamKey = STREAM) -> list[str]:
        page = await store.events.read(key, forward=True)
        assert page is not None
        return [event.message for event in page.events]

    async def test_a_group_is_created_once_and_by_value(self, store: FileLogStore) -> None:
        assert not await store.groups.create(LogGroup(GROUP, NOW + 1, retention_days=3))
        assert await store.groups.find(GROUP) == LogGroup(GROUP, NOW)

    async def test_accounts_and_regions_do_not_see_each_other(self, store: FileLogStore) -> None:
        assert await store.groups.find(GROUP._replace(account="111111111111")) is None
        assert await store.groups.list(ACCOUNT, "eu-west-1") == []

    async def test_a_stream_needs_its_group(self, store: FileLogStore) -> None:
        with pytest.raises(LookupError):
            await store.streams.create(STREAM._replace(group="absent"), NOW)
        assert await store.events.read(STREAM, forward=True) is None
        assert not await store.events.put(STREAM, [(NOW, "x")], NOW)
        assert await store.events.text(STREAM, 0) is None

    async def test_names_come_in_the_order_of_bytes(self, store: FileLogStore) -> None:
        for name in ("b", "B", "\u00e9", "a/1", "a"):
            await store.streams.create(STREAM._replace(stream=name), NOW)

        assert [each.key.stream for each in await store.streams.list(GROUP)] == ["B", "a", "a/1", "b", "\u00e9"]
        assert [each.key.stream for each in await store.streams.list(GROUP, descending=True, after="b")] == [
            *("a/1", "a", "B"),
        ]
        assert [each.key.stream for each in await store.streams.list(GROUP, prefix="a", after="a")] == ["a/1"]

    async def test_put_events_come_in_the_order_of_time_then_of_arrival(self, store: FileLogStore) -> None:
        await store.streams.create(STREAM, NOW)
        await store.events.put(STREAM, [(NOW + 5, "late"), (NOW + 5, "later")], NOW)
        await store.events.put(STREAM, [(NOW, "early"), (NOW + 5, "last")], NOW + 9)

        assert await self.messages(store) == ["early", "late", "later", "last"]
        stream = await store.streams.find(STREAM)
        assert stream is not None
        assert (stream.first_event, stream.last_event, stream.last_ingestion) == (NOW, NOW + 5, NOW + 9)
        assert stream.stored_bytes == len("earlylatelaterlast") + 4 * 26

    async def test_a_deleted_stream_leaves_nothing_to_its_successor(self, store: FileLogStore) -> None:
        await store.streams.create(STREAM, NOW)
        await store.events.put(STREAM, [(NOW, "old")], NOW)
        before = await store.streams.find(STREAM)
        assert await store.streams.delete(STREAM)
        await store.streams.create(STREAM, NOW)

        after = await store.streams.find(STREAM)
        assert await self.messages(store) == []
        assert before is not None
        assert after is not None
        assert before.id != after.id

    async def test_opening_a_run_file_twice_gives_the_same_file(self, store: FileLogStore) -> None:
        first = await store.runs.open_file(*STREAM)
        first.write_text("kept\n")

        assert await store.runs.open_file(*STREAM) == first
        assert await self.messages(store) == ["kept"]

    async def test_the_file_of_a_run_is_private(self, store: FileLogStore) -> None:
        path = await store.runs.open_file(*STREAM)

        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0

    async def test_closing_shows_the_unfinished_line_and_may_be_repeated(self, store: FileLogStore) -> None:
        (await store.runs.open_file(*STREAM)).write_text("line\nno newline")
        await store.runs.close_file(*STREAM)
        await store.runs.close_file(*STREAM)

        assert await self.messages(store) == ["line", "no newline"]
        assert await store.runs.tail(*STREAM, size=10) == "no newline"

    async def test_a_run_that_was_never_opened_can_be_closed_and_has_no_tail(self, store: FileLogStore) -> None:
        await store.runs.close_file(*STREAM)

        assert await store.runs.tail(*STREAM, size=100) == ""

    async def test_another_server_sees_lines_and_positions_alike(self, store: FileLogStore, opening: Opening) -> None:
        path = await store.runs.open_file(*STREAM)
        other = opening()
        for number in range(5):
            with path.open("a") as file:
                file.write(f"{number}\n")
            assert await self.messages(other if number % 2 else store) == [str(each) for each in range(number + 1)]

        assert await other.events.read(STREAM, forward=True) == await store.events.read(STREAM, forward=True)

    async def test_after_a_restart_the_watch_goes_on_and_the_pause_is_spread(
        self, store: FileLogStore, opening: Opening, clock: SetClock
    ) -> None:
        path = await store.runs.open_file(*STREAM)
        print_into(path, "before\n", clock)
        store.watch.look()
        clock.advance(300)
        print_into(path, "while nobody looked\n" * 3, clock)

        restarted = opening()
        restarted.watch.catch_up()
        restarted.watch.look()
        page = await restarted.events.read(STREAM, forward=True)
        assert page is not None
        times = [event.timestamp - NOW for event in page.events]
        assert times[0] == 0
        assert times == sorted(times)
        assert len(set(times)) == 4

    async def test_the_watch_follows_files_that_another_server_opens_and_closes(
        self, store: FileLogStore, opening: Opening, clock: SetClock
    ) -> None:
        other = opening()
        other.watch.catch_up()
        path = await store.runs.open_file(*STREAM)
        print_into(path, "one\n", clock)
        other.watch.catch_up()
        other.watch.look()
        clock.advance(1)
        print_into(path, "two\n", clock)
        other.watch.look()

        page = await store.events.read(STREAM, forward=True)
        assert page is not None
        assert [event.timestamp - NOW for event in page.events] == [0, 1000]

    async def test_retention_frees_rows_and_files(self, store: FileLogStore, clock: SetClock) -> None:
        await store.streams.create(STREAM, NOW)
        await store.events.put(STREAM, [(NOW, "row")], NOW)
        run = STREAM._replace(stream="run")
        path = await store.runs.open_file(*run)
        path.write_text("line\n")
        await store.runs.close_file(*run)
        await store.groups.change(LogGroup(GROUP, NOW, retention_days=1))
        clock.advance(86_401)
        store.sweep()

        assert (await store.groups.stored_bytes(GROUP), path.exists()) == (0, False)
        await store.groups.change(LogGroup(GROUP, NOW))
        assert (await self.messages(store), await self.messages(store, run)) == ([], [])


class TestFileLogStore(LogStoreContract):
    @pytest_asyncio.fixture
    async def opening(self, tmp_path: Path, clock: SetClock) -> AsyncIterator[Opening]:
        stores: list[FileLogStore] = []

        def opening() -> FileLogStore:
            stores.append(FileLogStore(tmp_path / "logs", clock))
            return stores[-1]

        yield opening
        for store in stores:
            await store.stop()

    async def test_what_was_acknowledged_outlives_kill_9(self, tmp_path: Path, opening: Opening) -> None:
        script = f"""
            import asyncio
            from pathlib import Path
            from salvia.adapters.logs.store import FileLogStore
            from salvia.base.clock import SetClock
            from salvia.ports.logs import GroupKey, LogGroup, StreamKey

            async def put():
                store = FileLogStore(Path({str(tmp_path / "logs")!r}), SetClock({NOW / 1000}))
                key = StreamKey(*{tuple(STREAM)!r})
                await store.groups.create(LogGroup(key.of_group, {NOW}))
                await store.streams.create(key, {NOW})
                for number in range(10**6):
                    await store.events.put(key, [({NOW} + number, str(number))], {NOW})
                    print(number, flush=True)

            asyncio.run(put())
        """
        writer = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for line in writer.stdout:  # until the pipe ends, so that every acknowledgement counts
            acknowledged = int(line)
            if acknowledged == 20:
                os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

        assert (await self.messages(opening()))[: acknowledged + 1] == [str(each) for each in range(acknowledged + 1)]
