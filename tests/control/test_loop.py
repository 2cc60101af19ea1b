"""The loop: every due record, one step at a time, whatever is lost on the way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from salvia.adapters.table.sqlite import SqliteTable
from salvia.base.clock import SetClock
from salvia.control.backoff import Backoff
from salvia.control.loop import HOPELESS, LEASE, Loop
from salvia.ports.table import Record

Reconcile = Callable[[Record], Awaitable[float | None]]


class Kind:
    """Does what a test says, and notes it."""

    def __init__(self, reconcile: Reconcile) -> None:
        self._reconcile = reconcile
        self.calls: list[str] = []
        self.called = asyncio.Event()

    async def reconcile(self, record: Record) -> float | None:
        self.calls.append(record.key)
        self.called.set()
        return await self._reconcile(record)

    def let_fail(self, record: Record, reason: str) -> bool:
        record.state, record.status["FailureReason"] = "Failed", reason
        return True


async def settle(record: Record) -> float | None:
    record.state = "Completed"
    return None


class Killed(BaseException):
    """The process ends here."""


class DyingTable(SqliteTable):
    """A table whose process is killed when it is about to save a fact."""

    async def save_fact(self, record: Record, worker: str) -> bool:
        raise Killed


class FailingTable(SqliteTable):
    """A table that was out of reach when the first fact was to be saved."""

    failures = 1

    async def save_fact(self, record: Record, worker: str) -> bool:
        if self.failures:
            self.failures -= 1
            raise OSError("out of reach")
        return await super().save_fact(record, worker)


@pytest.fixture
async def table() -> AsyncIterator[SqliteTable]:
    table = SqliteTable(":memory:")
    yield table
    await table.close()


@pytest.fixture
def clock() -> SetClock:
    return SetClock(1000.0)


async def stored(table: SqliteTable, key: str = "one", kind: str = "Job", due: float | None = 1000.0) -> Record:
    record = Record(kind, "0", "r", key, f"arn:{key}", 1000.0, 1000.0, {}, due=due)
    assert await table.insert(record)
    return record


async def seen(table: SqliteTable, key: str = "one") -> Record:
    record = await table.get("Job", "0", "r", key)
    assert record is not None
    return record


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.run())
    yield
    loop.stop()
    await asyncio.wait_for(task, 5)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - turns of the loop, not time
            await asyncio.sleep(0)


async def until_state(table: SqliteTable, state: str, key: str = "one") -> None:
    async with asyncio.timeout(5):
        while (await seen(table, key)).state != state:  # noqa: ASYNC110 - turns of the loop, not time
            await asyncio.sleep(0)


async def test_a_due_record_is_reconciled_and_its_facts_are_saved(table: SqliteTable, clock: SetClock) -> None:
    async def work(record: Record) -> float | None:
        record.state, record.status = "Training", {"A": 1}
        clock.advance(2)
        return 30

    await stored(table)
    async with running(Loop(table, {"Job": Kind(work)}, clock, "w")):
        await until_state(table, "Training")

    after = await seen(table)
    assert (after.status, after.modified, after.due) == ({"A": 1}, 1002.0, 1032.0)


async def test_a_step_that_changed_nothing_is_no_modification(table: SqliteTable, clock: SetClock) -> None:
    async def look(record: Record) -> float | None:
        return 30

    kind = Kind(look)
    await stored(table)
    clock.advance(5)
    async with running(Loop(table, {"Job": kind}, clock, "w")):
        await kind.called.wait()

    after = await seen(table)
    assert (after.modified, after.due) == (1000.0, 1035.0)


async def test_a_settled_record_is_left_in_peace(table: SqliteTable, clock: SetClock) -> None:
    kind = Kind(settle)
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w")
    async with running(loop):
        await until_state(table, "Completed")
        await stored(table, "two")
        loop.wake()
        await until_state(table, "Completed", "two")

    assert kind.calls == ["one", "two"]


async def test_a_wake_up_is_followed_at_once(table: SqliteTable, clock: SetClock) -> None:
    kind = Kind(settle)
    loop = Loop(table, {"Job": kind}, clock, "w")
    async with running(loop):
        await asyncio.sleep(0)
        await stored(table)
        loop.wake()
        for _ in range(10):  # turns of the event loop, not time
            await asyncio.sleep(0)

        assert kind.calls == ["one"]


async def test_what_another_server_wrote_is_seen_without_a_wake_up(table: SqliteTable, clock: SetClock) -> None:
    kind = Kind(settle)
    async with running(Loop(table, {"Job": kind}, clock, "w")):
        await asyncio.sleep(0)
        await stored(table)
        await asyncio.wait_for(kind.called.wait(), 2)


async def test_a_delay_is_kept(table: SqliteTable, clock: SetClock) -> None:
    async def twice(record: Record) -> float | None:
        record.status["n"] = record.status.get("n", 0) + 1
        record.state = f"step {record.status['n']}"
        return 10 if record.status["n"] == 1 else None

    kind = Kind(twice)
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w")
    async with running(loop):
        await until_state(table, "step 1")
        clock.advance(9.9)
        loop.wake()
        await asyncio.sleep(0)
        assert kind.calls == ["one"]
        clock.advance(0.1)
        loop.wake()
        await until_state(table, "step 2")


async def test_many_records_are_reconciled_at_once(table: SqliteTable, clock: SetClock) -> None:
    meeting = asyncio.Barrier(10)

    async def meet(record: Record) -> float | None:
        await meeting.wait()
        return await settle(record)

    for number in range(10):
        await stored(table, str(number))
    async with running(Loop(table, {"Job": Kind(meet)}, clock, "w")):
        for number in range(10):
            await until_state(table, "Completed", str(number))


async def test_a_crowd_is_worked_off_the_longest_due_first(table: SqliteTable, clock: SetClock) -> None:
    kind = Kind(settle)
    for number in range(300):
        await stored(table, f"{number:03}", due=900.0 + number * 7 % 300 / 10)
    async with running(Loop(table, {"Job": kind}, clock, "w")):
        await until(lambda: len(kind.calls) == 300)

    assert kind.calls == sorted(kind.calls, key=lambda key: int(key) * 7 % 300)


async def test_a_wish_during_a_step_is_seen_by_the_next(table: SqliteTable, clock: SetClock) -> None:
    asked = asyncio.Event()

    async def slow(record: Record) -> float | None:
        if record.wanted == "stopped":
            record.state = "Stopped"
        else:
            await asked.wait()
        return None

    kind = Kind(slow)
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w")
    async with running(loop):
        await kind.called.wait()
        assert await table.save_wish(replace(await seen(table), wanted="stopped", due=clock.now()))
        loop.wake()
        asked.set()
        await until_state(table, "Stopped")

    assert kind.calls == ["one", "one"]


async def test_a_failure_is_logged_with_the_arn_and_tried_again_later_each_time(
    table: SqliteTable, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(record: Record) -> float | None:
        record.status["half"] = "done"
        raise RuntimeError("no")

    kind = Kind(fail)
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w", Backoff(first=2, cap=5, draw=lambda: 1.0))
    dues = []
    async with running(loop):
        for count in range(1, 5):
            await until(lambda count=count: len(kind.calls) == count)  # type: ignore[misc]
            await asyncio.sleep(0)
            due = (await seen(table)).due
            assert due
            dues.append(due - clock.now())
            clock.time = due
            loop.wake()

    assert dues == [2, 4, 5, 5]
    assert (await seen(table)).status == {}
    assert "arn:one: reconciling failed" in caplog.text


@pytest.mark.parametrize(("error", "state"), [(KeyError("x"), "Failed"), (OSError("no space left"), "")])
async def test_a_mistake_of_the_server_is_final_at_last_and_what_can_heal_is_not(
    table: SqliteTable, clock: SetClock, error: Exception, state: str
) -> None:
    async def fail(record: Record) -> float | None:
        clock.advance(100)
        if record.state == "Failed":
            return None
        record.status["half"] = "done"
        raise error

    kind = Kind(fail)
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w", Backoff(first=0.0))
    async with running(loop):
        while len(kind.calls) < HOPELESS + 1:
            loop.wake()
            await asyncio.sleep(0)

    after = await seen(table)
    assert after.state == state
    assert after.status == ({"FailureReason": after.status["FailureReason"]} if state else {})


async def test_one_failing_record_does_not_hold_up_others(table: SqliteTable, clock: SetClock) -> None:
    async def work(record: Record) -> float | None:
        if record.key == "bad":
            raise RuntimeError("no")
        return await settle(record)

    await stored(table, "bad", due=900.0)
    await stored(table, "good")
    async with running(Loop(table, {"Job": Kind(work)}, clock, "w")):
        await until_state(table, "Completed", "good")


async def test_a_broken_table_does_not_end_the_loop(table: SqliteTable, clock: SetClock) -> None:
    class Failing(SqliteTable):
        failures = 2

        async def claim(self, *given: object, **named: object) -> list[Record]:
            if self.failures:
                self.failures -= 1
                raise OSError("gone")
            return list(await table.claim(*given, **named))  # type: ignore[arg-type]

    broken = Failing(":memory:")
    kind = Kind(settle)
    await stored(table)
    loop = Loop(broken, {"Job": kind}, clock, "w")
    async with running(loop):
        while not kind.called.is_set():
            loop.wake()
            await asyncio.sleep(0)
    await broken.close()


async def test_a_kind_that_nothing_knows_is_left_alone(
    table: SqliteTable, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    strange = await stored(table, "strange", kind="Strange", due=900.0)
    await stored(table)
    async with running(Loop(table, {"Job": Kind(settle)}, clock, "w")):
        await until_state(table, "Completed")

    assert await table.find("arn:strange") == strange
    assert [r.levelno for r in caplog.records if "arn:strange" in r.message] == [logging.WARNING]
    assert await table.claim(clock.now(), "another", clock.now() + 1)


async def test_a_record_deleted_by_its_step_stays_deleted(table: SqliteTable, clock: SetClock) -> None:
    async def dispose(record: Record) -> float | None:
        await table.delete(record)
        return None

    kind = Kind(dispose)
    await stored(table)
    async with running(Loop(table, {"Job": kind}, clock, "w")):
        await kind.called.wait()

    assert await table.find("arn:one") is None


async def test_stopping_lets_a_step_finish(table: SqliteTable, clock: SetClock) -> None:
    go = asyncio.Event()

    async def slow(record: Record) -> float | None:
        await go.wait()
        return await settle(record)

    kind = Kind(slow)
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w")
    task = asyncio.create_task(loop.run())
    await kind.called.wait()
    loop.stop()
    await asyncio.sleep(0)
    go.set()
    await task

    assert (await seen(table)).state == "Completed"


async def test_a_cancelled_loop_gives_its_leases_back(table: SqliteTable, clock: SetClock) -> None:
    kind = Kind(lambda _: asyncio.Event().wait())
    await stored(table)
    task = asyncio.create_task(Loop(table, {"Job": kind}, clock, "w").run())
    await kind.called.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await table.claim(clock.now(), "another", clock.now() + 1)


# ------------------------------------------------------------- two servers, and kills


async def test_two_loops_never_reconcile_one_record_at_once(tmp_path: object, clock: SetClock) -> None:
    tables = [SqliteTable(f"{tmp_path}/salvia.db") for _ in range(2)]
    working: list[str] = []
    met: list[str] = []
    done = dict.fromkeys((str(n) for n in range(20)), 0)

    async def work(record: Record) -> float | None:
        if record.key in working:
            met.append(record.key)
        working.append(record.key)
        await asyncio.sleep(0)
        working.remove(record.key)
        done[record.key] += 1
        record.status["n"] = record.status.get("n", 0) + 1
        return 0 if record.status["n"] < 5 else None

    for key in done:
        await stored(tables[0], key)
    loops = [Loop(table, {"Job": Kind(work)}, clock, f"w{n}") for n, table in enumerate(tables)]
    async with running(loops[0]), running(loops[1]):
        await until(lambda: sum(done.values()) >= 100)
    for table in tables:
        await table.close()

    assert not met
    assert set(done.values()) == {5}


async def test_a_kill_between_step_and_save_costs_one_step(tmp_path: object, clock: SetClock) -> None:
    """The act happened, its record did not: the next life acts again, and must find what it did by its name."""
    launched: set[str] = set()

    async def launch(record: Record) -> float | None:
        launched.add(f"run-of-{record.arn}")
        return await settle(record)

    table = SqliteTable(f"{tmp_path}/salvia.db")
    await stored(table)
    dying = DyingTable(f"{tmp_path}/salvia.db")
    (record,) = await dying.claim(clock.now(), "w", clock.now() + LEASE)
    with pytest.raises(Killed):
        await dying.save_fact(replace(record, due=await launch(record)), "w")
    await dying.close()
    assert (await seen(table)).state == ""

    async with running(Loop(table, {"Job": Kind(launch)}, clock, "w")):
        await until_state(table, "Completed")
    await table.close()
    assert launched == {"run-of-arn:one"}


async def test_a_step_that_could_not_be_recorded_is_done_again_as_soon_as_the_table_answers(
    clock: SetClock,
) -> None:
    table = FailingTable(":memory:")
    kind = Kind(settle)
    await stored(table)
    async with running(Loop(table, {"Job": kind}, clock, "w", Backoff(first=0))):
        await until_state(table, "Completed")
    await table.close()

    assert kind.calls == ["one", "one"]


async def test_a_restarted_server_takes_up_its_own_leases_at_once(table: SqliteTable, clock: SetClock) -> None:
    await stored(table)
    await table.claim(clock.now(), "w", clock.now() + LEASE)  # and then it was killed

    async with running(Loop(table, {"Job": Kind(settle)}, clock, "w")):
        await until_state(table, "Completed")


async def test_another_server_takes_over_when_a_dead_ones_lease_ends(table: SqliteTable, clock: SetClock) -> None:
    kind = Kind(settle)
    await stored(table)
    await table.claim(clock.now(), "dead", clock.now() + LEASE)
    loop = Loop(table, {"Job": kind}, clock, "w")
    async with running(loop):
        clock.advance(LEASE - 0.1)
        loop.wake()
        await asyncio.sleep(0)
        assert not kind.calls
        clock.advance(0.1)
        loop.wake()
        await until_state(table, "Completed")


async def test_a_step_whose_lease_was_lost_is_dropped(
    table: SqliteTable, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    go = asyncio.Event()

    async def stale(record: Record) -> float | None:
        await go.wait()
        record.state = "Stale"
        return None

    kind = Kind(stale)
    await stored(table)
    async with running(Loop(table, {"Job": kind}, clock, "slow")):
        await kind.called.wait()
        clock.advance(LEASE)
        (taken,) = await table.claim(clock.now(), "quick", clock.now() + LEASE)
        await table.save_fact(replace(taken, state="Completed", due=None), "quick")
        go.set()
        await until(lambda: "this step is dropped" in caplog.text)

    assert (await seen(table)).state == "Completed"


async def test_a_long_step_keeps_its_lease(
    table: SqliteTable, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Kind(lambda _: asyncio.Event().wait())
    await stored(table)
    loop = Loop(table, {"Job": kind}, clock, "w")
    task = asyncio.create_task(loop.run())
    await kind.called.wait()
    for _ in range(3):
        clock.advance(LEASE - 1)
        await loop._renew()
        assert not await table.claim(clock.now(), "another", clock.now() + LEASE)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_record_in_a_new_state_is_told_of_once_it_is_saved(table: SqliteTable, clock: SetClock) -> None:
    told: list[tuple[str, str]] = []
    stored_states = []

    async def twice(record: Record) -> float | None:
        stored_states.append((await seen(table)).state)
        record.state, delay = ("Training", 0.0) if not record.state else ("Completed", None)
        return delay

    await stored(table)
    loop = Loop(
        table, {"Job": Kind(twice)}, clock, "worker", changed=lambda record: told.append((record.key, record.state))
    )
    async with running(loop):
        while len(told) < 2:  # noqa: ASYNC110 - what it waits for is what is tested
            await asyncio.sleep(0.001)

    assert told == [("one", "Training"), ("one", "Completed")]
    assert stored_states == ["", "Training"]


async def test_what_is_due_soon_is_looked_at_soon_though_its_timer_goes_off_a_little_before(
    table: SqliteTable, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salvia.control.loop.POLL", 3600.0)

    async def twice(record: Record) -> float | None:
        return 0.001 if len(kind.calls) == 1 else await settle(record)

    kind = Kind(twice)
    await stored(table)
    async with running(Loop(table, {"Job": kind}, clock, "w")):
        await until(lambda: len(kind.calls) == 1)
        await asyncio.sleep(0.01)  # the timer has gone off, and by the clock it is too soon
        clock.advance(0.001)
        await until_state(table, "Completed")

    assert kind.calls == ["one", "one"]
