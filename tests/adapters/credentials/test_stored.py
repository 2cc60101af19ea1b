"""Stored credentials: root's key, sessions, long-term keys, and what several servers see of each other."""

import asyncio
import configparser
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from salvia.adapters.credentials.stored import StoredCredentials
from salvia.adapters.table.sqlite import SqliteTable
from salvia.base.call import Caller
from salvia.base.clock import SetClock
from salvia.ports.table import Query
from salvia.settings import Settings

ACCOUNT = "123456789012"
USER = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann", "AIDA1", principal_arn=f"arn:aws:iam::{ACCOUNT}:user/ann")
SETTINGS = Settings(account=ACCOUNT)


@pytest.fixture
async def table() -> AsyncIterator[SqliteTable]:
    table = SqliteTable(":memory:")
    yield table
    await table.close()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def credentials(table: SqliteTable, clock: SetClock) -> StoredCredentials:
    return StoredCredentials(table, SETTINGS, clock)


async def test_root_is_an_assumed_role_whom_no_policy_limits(credentials: StoredCredentials, tmp_path: Path) -> None:
    root = await credentials.ensure_root(tmp_path)

    assert root.caller.root
    assert root.caller.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/SalviaExecutionRole/root"
    assert await credentials.find(root.access_key) == root


async def test_only_the_owner_may_read_the_root_credentials(credentials: StoredCredentials, tmp_path: Path) -> None:
    await credentials.ensure_root(tmp_path / "data")

    assert stat.S_IMODE(os.stat(tmp_path / "data/credentials").st_mode) == 0o600
    assert os.listdir(tmp_path / "data") == ["credentials"]


async def test_aws_tools_read_the_root_credentials(credentials: StoredCredentials, tmp_path: Path) -> None:
    root = await credentials.ensure_root(tmp_path)

    parser = configparser.ConfigParser()
    parser.read(tmp_path / "credentials")
    assert parser["default"]["aws_access_key_id"] == root.access_key
    assert parser["default"]["aws_secret_access_key"] == root.secret
    assert parser["default"]["region"] == "us-west-2"


async def test_a_later_start_changes_nothing(credentials: StoredCredentials, tmp_path: Path) -> None:
    await credentials.ensure_root(tmp_path)
    before = (tmp_path / "credentials").read_bytes()

    await credentials.ensure_root(tmp_path)

    assert (tmp_path / "credentials").read_bytes() == before


async def test_a_new_database_takes_the_key_of_the_file(
    credentials: StoredCredentials, clock: SetClock, tmp_path: Path
) -> None:
    root = await credentials.ensure_root(tmp_path)
    other = SqliteTable(":memory:")

    again = await StoredCredentials(other, SETTINGS, clock).ensure_root(tmp_path)

    assert again == root
    await other.close()


async def test_servers_that_start_at_once_agree_on_root(table: SqliteTable, clock: SetClock, tmp_path: Path) -> None:
    servers = [StoredCredentials(table, SETTINGS, clock) for _ in range(8)]

    roots = await asyncio.gather(
        *(server.ensure_root(tmp_path / str(number % 2)) for number, server in enumerate(servers))
    )

    assert len(set(roots)) == 1


async def test_a_session_speaks_as_its_caller_and_ends(credentials: StoredCredentials, clock: SetClock) -> None:
    session = await credentials.issue(USER, 900)

    assert session.expires == clock.now() + 900
    assert session.token
    assert replace(session.caller, access_key="") == USER
    assert session.caller.access_key == session.access_key


async def test_a_session_survives_a_restart(
    credentials: StoredCredentials, table: SqliteTable, clock: SetClock
) -> None:
    caller = replace(USER, session_policy='["{}"]', session_tags=(("team", "red"),), transitive_tags=("team",))
    session = await credentials.issue(caller, 900)

    assert await StoredCredentials(table, SETTINGS, clock).find(session.access_key) == session


async def test_expired_sessions_do_not_pile_up(
    credentials: StoredCredentials, table: SqliteTable, clock: SetClock
) -> None:
    for _ in range(100):
        await credentials.issue(USER, 900)
    clock.advance(900 + 3601)
    for _ in range(100):
        await credentials.issue(USER, 900)

    assert len(await table.select(Query("sts:Session", ACCOUNT, limit=1000))) <= 100


async def test_an_unknown_key_is_not_found(credentials: StoredCredentials) -> None:
    assert await credentials.find("AKIANOBODY") is None


async def test_a_key_made_elsewhere_is_found_though_it_was_missed_before(
    credentials: StoredCredentials, table: SqliteTable, clock: SetClock
) -> None:
    elsewhere = StoredCredentials(table, SETTINGS, clock)
    key = await elsewhere.create(USER)
    await credentials.find(key.access_key)

    clock.advance(1)

    assert await credentials.find(key.access_key) == key


async def test_a_deleted_key_stops_here_at_once_and_elsewhere_within_seconds(
    credentials: StoredCredentials, table: SqliteTable, clock: SetClock
) -> None:
    key = await credentials.create(USER)
    elsewhere = StoredCredentials(table, SETTINGS, clock)
    await elsewhere.find(key.access_key)

    assert await credentials.delete(ACCOUNT, key.access_key)
    clock.advance(4)

    assert await credentials.find(key.access_key) is None
    assert await elsewhere.find(key.access_key) is None
    assert not await credentials.delete(ACCOUNT, key.access_key)


async def test_an_inactive_key_does_not_sign_until_it_is_active_again(credentials: StoredCredentials) -> None:
    key = await credentials.create(USER)

    await credentials.activate(ACCOUNT, key.access_key, active=False)
    inactive = await credentials.find(key.access_key)
    await credentials.activate(ACCOUNT, key.access_key, active=True)

    assert inactive is None
    assert await credentials.find(key.access_key) == key


async def test_keys_show_their_last_use(credentials: StoredCredentials, clock: SetClock) -> None:
    key = await credentials.create(USER)
    await credentials.note_use(key.access_key, "s3", "us-west-2")

    assert (await credentials.keys(ACCOUNT, USER.principal_arn))[0].used == (clock.now(), "s3", "us-west-2")


async def test_a_table_row_of_another_kind_is_no_credential(credentials: StoredCredentials, tmp_path: Path) -> None:
    await credentials.ensure_root(tmp_path)

    assert await credentials.find("root") is None


async def test_guessing_keys_does_not_fill_the_memory(credentials: StoredCredentials, tmp_path: Path) -> None:
    root = await credentials.ensure_root(tmp_path)
    for number in range(12_000):
        await credentials.find(f"AKIA{number}")

    assert len(credentials._known) <= 10_000
    assert await credentials.find(root.access_key) == root
