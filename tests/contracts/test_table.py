"""What every Table promises: each adapter is a subclass with a fixture that opens tables over one database."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from salvia.adapters.table.postgres import PostgresTable
from salvia.adapters.table.sqlite import SqliteTable
from salvia.ports.table import Query, Record
from tests.postgres import emptied, running

AnyTable = SqliteTable | PostgresTable
Opening = Callable[[], AnyTable]


def a_record(key: str = "job-1", **given: Any) -> Record:
    made = Record(
        kind="TrainingJob",
        account="000000000000",
        region="us-west-2",
        key=key,
        arn=f"arn:aws:sagemaker:us-west-2:000000000000:training-job/{key}",
        created=1000.0,
        modified=1000.0,
        spec={"TrainingJobName": key, "HyperParameters": {"max_depth": "5"}},
        name=key,
    )
    return replace(made, **given)


async def stored(table: AnyTable, key: str = "job-1", **given: Any) -> Record:
    record = a_record(key, **given)
    assert await table.insert(record)
    return record


async def seen(table: AnyTable, key: str = "job-1") -> Record:
    record = await table.get("TrainingJob", "000000000000", "us-west-2", key)
    assert record is not None
    return record


async def keys(table: AnyTable, **given: Any) -> list[str]:
    query = Query(**({"kind": "TrainingJob", "account": "000000000000", "region": "us-west-2"} | given))
    return [record.key for record in await table.select(query)]


async def the_due(table: AnyTable, now: float = 1000.0, worker: str = "a", until: float = 1030.0) -> Record:
    (record,) = await table.claim(now, worker, until)
    return record


class TableContract:
    """Subclasses give `opening`: a function that opens one more table over the same, at first empty, database."""

    @pytest_asyncio.fixture
    async def table(self, opening: Opening) -> AsyncIterator[AnyTable]:
        table = opening()
        yield table
        await table.close()

    @pytest_asyncio.fixture
    async def other(self, opening: Opening) -> AsyncIterator[AnyTable]:
        other = opening()
        yield other
        await other.close()

    # ------------------------------------------------------------- records by value

    async def test_a_record_that_is_known_is_given_back_until_something_is_written(
        self, table: AnyTable, other: AnyTable
    ) -> None:
        known = await stored(table)
        names = known.kind, known.account, known.region, known.key
        known = await seen(table)
        assert [await table.get(*names, known) is known for _ in range(2)] == [True, True]

        for writer in (table, other):
            await asyncio.sleep(0)  # who asks after a write asks in a later turn of the loop
            changed = await seen(writer)
            changed.spec["New"] = known.version
            assert await writer.save_wish(changed)
            await asyncio.sleep(0)
            fresh = await table.get(*names, known)
            assert fresh is not None
            assert (fresh.spec["New"], fresh.version) == (known.version, changed.version)
            known = fresh
            assert await table.get(*names, known) is known

        assert await other.delete(known)
        await asyncio.sleep(0)
        assert await table.get(*names, known) is None

    async def test_a_record_comes_out_as_it_went_in(self, table: AnyTable) -> None:
        record = await stored(
            table,
            status={"SecondaryStatus": "Training", "Metrics": [0.1, 2, None, True]},
            state="InProgress",
            owner="arn:parent",
            wanted="stopped",
            due=1000.5,
            tags={"team": "ä 🙂"},
        )

        assert await seen(table) == record

    async def test_changing_a_record_changes_nothing_until_it_is_saved(self, table: AnyTable) -> None:
        record = await stored(table)
        record.spec["HyperParameters"]["max_depth"] = "6"

        assert (await seen(table)).spec["HyperParameters"] == {"max_depth": "5"}

    async def test_a_taken_key_is_refused_and_the_first_record_stays(self, table: AnyTable) -> None:
        first = await stored(table)

        assert not await table.insert(a_record(spec={"second": True}))
        assert await seen(table) == first

    async def test_the_same_key_is_free_in_another_region_account_and_kind(self, table: AnyTable) -> None:
        await stored(table)

        assert await table.insert(a_record(region="eu-west-1"))
        assert await table.insert(a_record(account="111111111111"))
        assert await table.insert(a_record(kind="ProcessingJob"))

    async def test_what_was_never_inserted_is_none(self, table: AnyTable) -> None:
        await stored(table)

        assert await table.get("TrainingJob", "000000000000", "us-west-2", "other") is None
        assert await table.get("Model", "000000000000", "us-west-2", "job-1") is None
        assert await table.find("arn:other") is None

    async def test_a_record_is_found_by_its_arn(self, table: AnyTable) -> None:
        record = await stored(table)

        assert await table.find(record.arn) == record

    async def test_a_deleted_record_is_gone_and_deleting_it_again_says_so(self, table: AnyTable) -> None:
        record = await stored(table)

        assert await table.delete(record)
        assert not await table.delete(record)
        assert await table.find(record.arn) is None
        assert not await table.save_wish(record)
        assert not await table.save_fact(record, "a")

    async def test_a_record_made_anew_is_not_changed_by_what_was_read_before(self, table: AnyTable) -> None:
        old = await stored(table, state="old")
        await table.delete(old)
        new = await stored(table, created=2000.0, state="new")

        assert not await table.save_fact(replace(old, version=99), "a")
        assert not await table.save_wish(replace(old, version=99))
        assert not await table.delete(old)
        assert await seen(table) == new

    async def test_another_connection_sees_what_was_written_at_once(self, table: AnyTable, other: AnyTable) -> None:
        record = await stored(table)
        assert await seen(other) == record
        await table.delete(record)

        assert await other.find(record.arn) is None

    # ------------------------------------------------------------- wishes and facts

    async def test_a_wish_leaves_the_facts(self, table: AnyTable) -> None:
        record = await stored(table, status={"A": 1}, state="InProgress")
        wish = replace(record, spec={"new": 1}, wanted="stopped", tags={"k": "v"}, owner="o", name="n", modified=1001.0)
        assert await table.save_wish(replace(wish, status={"lost": 1}, state="lost"))

        assert await seen(table) == replace(wish, status={"A": 1}, state="InProgress", version=2)

    async def test_a_fact_leaves_the_wishes(self, table: AnyTable) -> None:
        record = await stored(table, tags={"k": "v"}, due=1000.0)
        fact = replace(record, status={"A": 1}, state="Completed", modified=1001.0, due=None)
        assert await table.save_fact(replace(fact, spec={}, wanted="lost", tags={}, name="lost"), "a")

        assert await seen(table) == replace(fact, version=2)

    async def test_saving_sets_the_version_so_that_a_record_can_be_saved_again(self, table: AnyTable) -> None:
        record = await stored(table)
        assert await table.save_wish(record)
        assert await table.save_wish(record)

        assert (await seen(table)).version == record.version == 3

    async def test_a_wish_that_came_during_a_reconcile_is_kept_and_still_due(self, table: AnyTable) -> None:
        await stored(table, due=1000.0)
        reconciled = await the_due(table)
        wish = replace(await seen(table), wanted="stopped", due=1001.0)
        await table.save_wish(wish)
        assert await table.save_fact(replace(reconciled, state="Training", due=1060.0), "a")

        after = await seen(table)
        assert (after.wanted, after.state, after.due) == ("stopped", "Training", 1000.0)

    async def test_a_wish_that_came_during_the_last_reconcile_is_not_settled(self, table: AnyTable) -> None:
        await stored(table, due=1000.0)
        reconciled = await the_due(table)
        await table.save_wish(replace(await seen(table), wanted="deleted", due=1001.0))
        await table.save_fact(replace(reconciled, due=None), "a")

        assert (await the_due(table)).wanted == "deleted"

    async def test_a_wish_never_makes_the_loop_look_later(self, table: AnyTable) -> None:
        record = await stored(table, due=1000.0)
        await table.save_wish(replace(record, due=None))
        assert (await seen(table)).due == 1000.0
        await table.save_wish(replace(await seen(table), due=2000.0))
        assert (await seen(table)).due == 1000.0
        await table.save_wish(replace(await seen(table), due=500.0))

        assert (await seen(table)).due == 500.0

    async def test_a_wish_read_before_another_wish_is_refused(self, table: AnyTable, other: AnyTable) -> None:
        stop = replace(await stored(table), wanted="stopped")
        tag = replace(await seen(other), tags={"k": "v"})
        assert await table.save_wish(stop)

        assert not await other.save_wish(tag)
        assert (await seen(table)).wanted == "stopped"

    async def test_a_fact_does_not_get_in_the_way_of_a_wish(self, table: AnyTable) -> None:
        wish = await stored(table, due=1000.0)
        await table.save_fact(replace(await the_due(table), due=None), "a")

        assert await table.save_wish(replace(wish, wanted="stopped"))

    # ------------------------------------------------------------- leases

    async def test_only_what_is_due_is_claimed_the_longest_due_first(self, table: AnyTable) -> None:
        for key, due in (("second", 990.0), ("later", 1000.1), ("first", 980.0), ("settled", None), ("third", 1000.0)):
            await stored(table, key, due=due)

        assert [r.key for r in await table.claim(1000.0, "a", 1030.0, limit=2)] == ["first", "second"]
        assert [r.key for r in await table.claim(1000.0, "a", 1030.0, limit=2)] == ["third"]
        assert not await table.claim(1000.0, "a", 1030.0)

    async def test_a_claimed_record_is_whole(self, table: AnyTable) -> None:
        record = await stored(table, due=1000.0, status={"A": 1}, tags={"k": "v"})

        assert await the_due(table) == record

    async def test_a_lease_keeps_other_workers_away_until_it_ends(self, table: AnyTable, other: AnyTable) -> None:
        await stored(table, due=1000.0)
        await the_due(table, worker="a", until=1030.0)

        assert not await other.claim(1029.9, "b", 1060.0)
        assert await other.claim(1030.0, "b", 1060.0)

    async def test_a_save_under_another_workers_lease_is_refused(self, table: AnyTable, other: AnyTable) -> None:
        await stored(table, due=1000.0)
        late = await the_due(table, worker="a", until=1030.0)
        await the_due(other, 1030.0, "b", 1060.0)

        assert not await table.save_fact(replace(late, state="late"), "a")
        assert (await seen(table)).state == ""

    async def test_a_save_after_another_worker_took_the_lease_and_finished_is_refused(self, table: AnyTable) -> None:
        await stored(table, due=1000.0)
        late = await the_due(table, worker="a", until=1030.0)
        await table.save_fact(replace(await the_due(table, 1030.0, "b", 1060.0), state="Completed", due=None), "b")

        assert not await table.save_fact(replace(late, state="late"), "a")
        assert (await seen(table)).state == "Completed"

    async def test_saving_a_fact_ends_the_lease(self, table: AnyTable) -> None:
        await stored(table, due=1000.0)
        await table.save_fact(replace(await the_due(table, worker="a"), due=1001.0), "a")

        assert await table.claim(1001.0, "b", 1060.0)

    async def test_a_renewed_lease_lasts_longer_but_a_lost_one_stays_lost(self, table: AnyTable) -> None:
        kept, lost = await stored(table, "kept", due=1000.0), await stored(table, "lost", due=1001.0)
        await table.claim(1001.0, "a", 1030.0)
        await table.renew([kept], "a", 1060.0)
        assert [r.key for r in await table.claim(1030.0, "b", 1050.0)] == ["lost"]
        await table.renew([kept, lost], "a", 1090.0)

        assert [r.key for r in await table.claim(1080.0, "c", 1100.0)] == ["lost"]

    async def test_releasing_writes_no_fact_but_when_to_look_again(self, table: AnyTable) -> None:
        record = await stored(table, due=1000.0, status={"A": 1})
        broken = await the_due(table)
        broken.status["A"] = "half done"
        assert await table.release(broken, "a", 1010.0)

        assert await seen(table) == replace(record, due=1010.0)
        assert await table.claim(1010.0, "b", 1060.0)

    async def test_releasing_keeps_the_earlier_due_of_a_wish_that_came_since(self, table: AnyTable) -> None:
        await stored(table, due=1000.0)
        broken = await the_due(table)
        await table.save_wish(replace(await seen(table), wanted="stopped"))
        await table.release(broken, "a", 1090.0)

        assert (await seen(table)).due == 1000.0

    async def test_releasing_what_another_worker_holds_does_nothing(self, table: AnyTable) -> None:
        await stored(table, due=1000.0)
        late = await the_due(table, worker="a", until=1030.0)
        await the_due(table, 1030.0, "b", 1060.0)

        assert not await table.release(late, "a", 1001.0)
        assert not await table.claim(1040.0, "c", 1060.0)

    async def test_an_abandoned_workers_leases_end_at_once(self, table: AnyTable) -> None:
        for key in ("one", "two"):
            await stored(table, key, due=1000.0)
        await table.claim(1000.0, "a", 1030.0, limit=1)
        await table.claim(1000.0, "b", 1030.0, limit=1)
        await table.abandon("a")

        assert len(await table.claim(1000.0, "a", 1030.0)) == 1

    async def test_excluded_kinds_are_left_to_others(self, table: AnyTable) -> None:
        await stored(table, "unknown", kind="Strange", due=990.0)
        await stored(table, "known", due=1000.0)

        assert [r.key for r in await table.claim(1000.0, "a", 1030.0, excluding={"Strange"})] == ["known"]
        assert [r.key for r in await table.claim(1000.0, "b", 1030.0)] == ["unknown"]

    async def test_two_claims_at_once_never_share_a_record(self, table: AnyTable, other: AnyTable) -> None:
        for number in range(60):
            await stored(table, f"job-{number}", due=1000.0)
        claims = [table.claim(1000.0, "a", 1030.0, 7), other.claim(1000.0, "b", 1030.0, 7)] * 1
        got: list[str] = []
        while records := [r for records in await asyncio.gather(*claims) for r in records]:
            got += [r.key for r in records]
            claims = [table.claim(1000.0, "a", 1030.0, 7), other.claim(1000.0, "b", 1030.0, 7)]

        assert len(got) == len(set(got)) == 60

    async def test_no_wish_is_lost_among_two_loops_and_two_writers(self, opening: Opening) -> None:
        """Every wish is a number; a loop that reads it says so. In the end, the last wish was read, and no two steps met."""
        tables = [opening() for _ in range(4)]
        await stored(tables[0], due=1000.0)
        ended = asyncio.Event()
        working: list[str] = []

        async def wish(table: AnyTable) -> None:
            for _ in range(40):
                saved = False
                while not saved:
                    record = await seen(table)
                    await asyncio.sleep(0)
                    saved = await table.save_wish(replace(record, spec={"n": record.spec.get("n", 0) + 1}, due=1000.0))
                await asyncio.sleep(0)

        async def loop(table: AnyTable, worker: str) -> None:
            while not ended.is_set() or await table.claim(1000.0, "last", 1000.0):
                for record in await table.claim(1000.0, worker, 1030.0):
                    working.append(worker)
                    assert len(working) == 1
                    await asyncio.sleep(0)
                    working.remove(worker)
                    assert await table.save_fact(replace(record, due=None, status={"n": record.spec.get("n")}), worker)
                await asyncio.sleep(0)

        loops = [asyncio.create_task(loop(tables[0], "a")), asyncio.create_task(loop(tables[1], "b"))]
        await asyncio.gather(wish(tables[2]), wish(tables[3]))
        ended.set()
        await asyncio.gather(*loops)
        last = await seen(tables[0])
        for table in tables:
            await table.close()

        assert (last.spec, last.status, last.due) == ({"n": 80}, {"n": 80}, None)

    # ------------------------------------------------------------- lists

    @pytest.mark.parametrize("sort", ["name", "state", "created", "modified", "key"])
    @pytest.mark.parametrize("descending", [True, False])
    async def test_pages_of_every_order_hold_each_row_once(
        self, table: AnyTable, sort: str, *, descending: bool
    ) -> None:
        for number in range(25):
            await stored(
                table,
                f"k{number * 7 % 25:02}",
                name=f"n{number % 3}",
                state=f"s{number % 2}",
                created=1000.0 + number % 4,
                modified=1000.0 + number % 5,
            )
        listed: list[Record] = []
        after = None
        while page := await table.select(
            Query("TrainingJob", "000000000000", "us-west-2", sort=sort, descending=descending, after=after, limit=4)
        ):
            listed += page
            after = getattr(page[-1], sort), page[-1].key

        whole = sorted(listed, key=lambda r: (getattr(r, sort), r.key), reverse=descending)
        assert listed == whole
        assert len({r.key for r in listed}) == 25

    async def test_every_filter_holds_at_once(self, table: AnyTable) -> None:
        await stored(table, "right", name="My-Model-7", state="Failed", owner="p", created=1005.0, modified=1006.0)
        wrongs: dict[str, dict[str, Any]] = {
            "name": {"name": "other"},
            "state": {"state": "Completed"},
            "owner": {"owner": "q"},
            "old": {"created": 1004.0},
            "new": {"created": 1007.0},
            "unmodified": {"modified": 1005.0},
            "just": {"modified": 1008.0},
            "account": {"account": "111111111111"},
            "region": {"region": "eu-west-1"},
            "kind": {"kind": "Model"},
        }
        good = {"name": "a-model", "state": "Failed", "owner": "p", "created": 1005.0, "modified": 1006.0}
        for key, wrong in wrongs.items():
            await stored(table, key, **(good | wrong))

        assert await keys(
            table,
            name_contains="mODEl",
            state="Failed",
            owner="p",
            created_after=1004.0,
            created_before=1007.0,
            modified_after=1005.0,
            modified_before=1008.0,
        ) == ["right"]

    @pytest.mark.parametrize("special", ["%", "_", "\\", "'"])
    async def test_a_name_filter_takes_its_text_literally(self, table: AnyTable, special: str) -> None:
        await stored(table, "yes", name=f"a{special}b")
        await stored(table, "no", name="axb")

        assert await keys(table, name_contains=f"a{special}b") == ["yes"]

    async def test_names_are_ordered_by_code_points(self, table: AnyTable) -> None:
        for name in ("b", "B", "a-b", "aB", "ä", "z", "_"):
            await stored(table, name)

        assert await keys(table, sort="name", descending=False) == ["B", "_", "a-b", "aB", "b", "z", "ä"]

    @pytest.mark.parametrize("descending", [True, False])
    async def test_an_empty_region_lists_every_region_page_by_page(self, table: AnyTable, *, descending: bool) -> None:
        for region in ("us-west-2", "eu-west-1", "ap-south-1"):
            for key in ("one", "two"):
                await stored(table, key, region=region)
        listed: list[Record] = []
        query = Query("TrainingJob", "000000000000", sort="name", descending=descending, limit=2)
        while page := await table.select(query):
            listed += page
            query = replace(query, after=(page[-1].name, page[-1].key), after_region=page[-1].region)

        everything = sorted(((r.key, r.region) for r in listed), reverse=descending)
        assert [(r.key, r.region) for r in listed] == everything
        assert len(set(everything)) == 6

    async def test_an_empty_account_lists_every_account(self, table: AnyTable) -> None:
        for account, region in (("0", "us-west-2"), ("1", "us-west-2"), ("1", "eu-west-1")):
            await stored(table, f"{account}-{region}", account=account, region=region)

        assert await keys(table, account="", sort="name", descending=False) == ["0-us-west-2", "1-us-west-2"]
        assert len(await keys(table, account="", region="")) == 3

    async def test_an_unknown_order_is_refused(self, table: AnyTable) -> None:
        with pytest.raises(ValueError, match="cannot sort by 'spec'"):
            await keys(table, sort="spec")

    # ------------------------------------------------------------- crashes

    async def test_what_a_killed_process_acknowledged_is_there_and_its_lease_can_be_taken(
        self, table: AnyTable, address: str
    ) -> None:
        program = Path(__file__).with_name("dying_writer.py")
        writer = await asyncio.create_subprocess_exec(sys.executable, program, address, stdout=asyncio.subprocess.PIPE)
        assert writer.stdout is not None
        assert await writer.stdout.readline() == b"written\n"
        writer.kill()
        await writer.wait()

        assert (await seen(table, "dying")).state == "Claimed"
        assert not await table.claim(1000.0, "b", 1060.0)
        await table.abandon("dying")
        assert [r.key for r in await table.claim(1000.0, "b", 1060.0)] == ["dying"]


class TestSqlite(TableContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "salvia.db")

    @pytest.fixture
    def opening(self, address: str) -> Opening:
        return lambda: SqliteTable(address)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with running() as url:
        yield url


class TestPostgres(TableContract):
    @pytest.fixture
    def address(self, postgres: str) -> str:
        return emptied(postgres)

    @pytest.fixture
    def opening(self, address: str) -> Opening:
        return lambda: PostgresTable(address)


def _ports_hold(table: AnyTable) -> Awaitable[object]:
    """For the type checker: both adapters keep both ports."""
    from salvia.ports.table import Leases, Table

    kept: Table = table
    looped: Leases = table
    return asyncio.gather(kept.find(""), looped.abandon(""))
