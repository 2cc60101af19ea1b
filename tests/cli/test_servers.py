"""Finding the servers of a data folder."""

import json
import os
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from salvia.cli import Refusal, servers
from salvia.cli.servers import Running
from salvia.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, port=8321)


def announced(settings: Settings, port: int) -> Running:
    """The process of the tests, as if it served there."""
    servers.announce(settings, f"http://127.0.0.1:{port}")
    return next(server for server in servers.running(settings.data) if server.port == port)


def test_an_announced_server_is_found(settings: Settings) -> None:
    server = announced(settings, 8321)

    assert servers.find(settings, None) == server
    assert (server.pid, server.url) == (os.getpid(), "http://127.0.0.1:8321")


def test_the_usual_port_is_preferred_and_another_can_be_asked_for(settings: Settings) -> None:
    usual, other = announced(settings, 8321), announced(settings, 9000)

    assert servers.find(settings, None) == usual
    assert servers.find(settings, 9000) == other
    assert servers.find(settings, 9001) is None


def test_the_only_server_is_found_on_whatever_port(settings: Settings) -> None:
    assert servers.find(settings, None) is None
    assert servers.find(replace(settings, port=1), None) is None
    assert announced(settings, 9000) == servers.find(settings, None)


def test_several_servers_must_be_told_apart(settings: Settings) -> None:
    announced(settings, 9000)
    announced(settings, 9001)

    with pytest.raises(Refusal, match="--port 9000 or 9001"):
        servers.find(settings, None)


def test_what_a_killed_server_left_is_removed(settings: Settings) -> None:
    server = announced(settings, 8321)
    for gone in (replace(server, port=1, born=server.born + 1), replace(server, port=2, pid=2**22 + 1)):
        (settings.data / f"server-{gone.port}.json").write_text(json.dumps(asdict(gone)))

    assert servers.running(settings.data) == [server]
    assert [path.name for path in settings.data.glob("*.json")] == ["server-8321.json"]


def test_a_process_that_only_waits_to_be_collected_is_gone() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert servers.birth(process.pid) == 0


def test_half_a_file_is_no_server(settings: Settings) -> None:
    (settings.data / "server-1.json").write_text('{"pid": 1')

    assert servers.running(settings.data) == []


def test_needing_a_server_that_does_not_run_says_how_to_start_one(settings: Settings) -> None:
    with pytest.raises(Refusal, match="salvia up") as refused:
        servers.needed(settings, None)

    assert refused.value.status == 3


def test_one_server_at_a_time_has_a_folder_and_port(settings: Settings) -> None:
    with (
        servers.alone(settings),
        servers.alone(replace(settings, port=9000)),
        pytest.raises(Refusal, match="runs already"),
    ):
        servers.alone(settings).__enter__()

    with servers.alone(settings):
        pass
