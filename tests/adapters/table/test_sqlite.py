"""What only SQLite's table has to promise: its file, its schema, and that lists are read from indexes."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from salvia.adapters.table import sqlite
from salvia.adapters.table.listing import SORTS
from salvia.adapters.table.sqlite import SqliteTable, page_of
from salvia.ports.table import Query


async def test_only_the_owner_can_read_the_database(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "salvia.db")
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    await table.close()

    assert modes == {0o600}


async def test_a_database_of_a_newer_salvia_is_refused(tmp_path: Path) -> None:
    await SqliteTable(tmp_path / "salvia.db").close()
    db = sqlite3.connect(tmp_path / "salvia.db")
    db.execute("pragma user_version = 99")
    db.close()

    with pytest.raises(RuntimeError, match="schema version 99"):
        SqliteTable(tmp_path / "salvia.db")


async def test_an_older_database_is_brought_forward_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await SqliteTable(tmp_path / "salvia.db").close()
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, "create table extra (id)"))
    await SqliteTable(tmp_path / "salvia.db").close()
    await SqliteTable(tmp_path / "salvia.db").close()

    db = sqlite3.connect(tmp_path / "salvia.db")
    assert db.execute("select count(*) from sqlite_master where name = 'extra'").fetchone() == (1,)
    db.close()


async def plan_of(query: Query) -> str:
    table = SqliteTable(":memory:")
    sources, values = page_of(query, query.region)
    plan = table._execute(f"explain query plan select 1 {sources}", [1, *values]).fetchall()
    await table.close()
    return str(plan)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("state", ["", "Failed"])
async def test_no_list_is_sorted_at_reading(sort: str, state: str, *, descending: bool) -> None:
    plan = await plan_of(Query("Model", "0", "r", sort=sort, descending=descending, state=state, after=("x", "y")))

    assert "SEARCH r USING" in plan
    assert "TEMP B-TREE" not in plan


async def test_children_are_found_by_their_owner() -> None:
    plan = await plan_of(Query("Model", "0", "r", owner="arn:parent", sort="name"))

    assert "INDEX record_owner (place=? AND owner=?)" in plan
