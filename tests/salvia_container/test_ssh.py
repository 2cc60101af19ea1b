"""SSH between the instances of one job: commands run over there, and nobody else has any run."""

import asyncio
import json
import socket
from pathlib import Path

import asyncssh
import paramiko
import pytest

from salvia_container.ssh import asking, client, server
from salvia_container.ssh.secret import Cluster, cluster

Guests = asyncio.Queue[str]


def of_job(folder: Path, secret: str = "5f" * 32) -> Cluster:
    (folder / "ssh-secret").write_text(secret)
    (folder / "resourceconfig.json").write_text(json.dumps({"current_host": "localhost", "hosts": ["localhost"]}))
    found = cluster(folder)
    assert found is not None
    return found


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> Guests:
    """Who has connected: a test ends when they are gone, else their sockets would be left open."""
    guests: Guests = asyncio.Queue()
    monkeypatch.setattr(asyncssh.SSHServer, "connection_lost", lambda *_: guests.put_nowait("gone"))
    return guests


async def test_a_command_runs_over_there_and_its_words_and_exit_code_come_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], guests: Guests
) -> None:
    known = of_job(tmp_path)
    async with await server.listen(known):
        code = await client.run(known, "localhost", "echo out; echo err >&2; exit 3", asyncssh.DEVNULL)
        await guests.get()

    assert (code, *capfd.readouterr()) == (3, "out\n", "err\n")


async def test_another_jobs_key_opens_nothing(tmp_path: Path, guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    known = of_job(tmp_path)
    stranger, key = of_job(tmp_path, "60" * 32), Cluster.key
    monkeypatch.setattr(Cluster, "ports", lambda *_: (20001, 20002))
    monkeypatch.setattr(Cluster, "key", lambda cluster, host="": key(known if host else cluster, host))
    async with await server.listen(known):
        with pytest.raises(asyncssh.PermissionDenied):
            await client.run(stranger, "localhost", "true", asyncssh.DEVNULL)
        await guests.get()


async def test_a_port_that_somebody_has_is_passed_over(tmp_path: Path) -> None:
    known = of_job(tmp_path)
    with socket.create_server(("localhost", known.ports("localhost")[0])):
        async with await server.listen(known) as listening:
            assert listening.get_port() == known.ports("localhost")[1]


async def test_paramiko_finds_the_other_instance_behind_port_22(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guests: Guests
) -> None:
    known = of_job(tmp_path)
    monkeypatch.setattr(asking, "cluster", lambda: known)
    monkeypatch.setattr(paramiko.SSHClient, "connect", paramiko.SSHClient.connect)
    asking.use(paramiko.SSHClient)
    async with await server.listen(known):
        with paramiko.SSHClient() as asker:
            asker.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            await asyncio.to_thread(asker.connect, "localhost", port=22)

            assert list(asker.get_host_keys()) == ["localhost"]
        await guests.get()


def test_a_job_of_one_instance_has_no_secret(tmp_path: Path) -> None:
    assert cluster(tmp_path) is None
