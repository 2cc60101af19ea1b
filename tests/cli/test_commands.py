"""Starting, finding and ending servers with the command line, in processes of their own, around a small stand-in for the server."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# A `salvia.app` that answers 404 and otherwise keeps the promises of the real one: `ready` when it listens, SIGTERM ends it.
STAND_IN = """
import signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs the tests may itself ignore Ctrl-C
def serve(settings, ready):
    import http.server, pathlib
    settings.data.joinpath("credentials").write_text("[default]\\naws_access_key_id = AK\\naws_secret_access_key = s\\n")
    if settings.account == "111111111111":
        raise RuntimeError("the account is not mine")
    with http.server.HTTPServer((settings.host, settings.port), http.server.BaseHTTPRequestHandler) as server:
        ready(f"http://{settings.host}:{server.server_port}")
        server.serve_forever()
sys.modules["salvia.app"] = types.SimpleNamespace(serve=serve)
from salvia.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Shell:
    """Runs salvia on a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SALVIA_DATA": str(self.data),
            "SALVIA_PORT": "0",
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        source = str(Path(__file__).parents[2] / "src")
        return subprocess.Popen(
            [sys.executable, "-c", f"import sys\nsys.path[:0] = [{source!r}]\n{STAND_IN}", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def salvia(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments)
        out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.salvia("down", "--all")


def url_in(text: str) -> str:
    return next(word for word in text.split() if word.startswith("http://"))


def test_a_detached_server_answers_when_the_command_returns(shell: Shell) -> None:
    up = shell.salvia("up", "--detach")
    connection = http.client.HTTPConnection(url_in(up.stdout).removeprefix("http://"), timeout=5)
    connection.request("GET", "/")

    assert up.returncode == 0
    assert connection.getresponse().status == 501
    connection.close()


def test_a_detached_server_has_no_terminal_and_keeps_nothing_of_its_starter(shell: Shell) -> None:
    shell.salvia("up", "--detach")
    pid = int(shell.salvia("status").stdout.partition("pid ")[2].partition(",")[0])

    assert os.getsid(pid) not in {pid, os.getsid(0)}
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert [Path(f"/proc/{pid}/fd/{n}").readlink().name for n in range(3)] == ["null", "server.log", "server.log"]


def test_status_env_and_down_find_it_on_whatever_port(shell: Shell) -> None:
    url = url_in(shell.salvia("up", "--detach").stdout)

    assert shell.salvia("status").stdout.startswith(f"{url} answers")
    assert f"export AWS_ENDPOINT_URL={url}\n" in shell.salvia("env").stdout
    assert shell.salvia("down").returncode == 0
    assert shell.salvia("status").returncode == 3
    assert not list(shell.data.glob("server-*.json"))


def test_a_second_server_on_the_same_port_says_so_and_on_another_port_starts(shell: Shell) -> None:
    url = url_in(shell.salvia("up", "--detach").stdout)
    again = shell.salvia("up", "--port", url.rpartition(":")[2])
    other = shell.salvia("up", "--detach")

    assert again.returncode == 1
    assert f"Salvia runs already at {url}" in again.stderr
    assert other.returncode == 0
    assert shell.salvia("down", "--all").stdout.count("Ended the server") == 2


def test_a_taken_port_is_told(shell: Shell) -> None:
    url = url_in(shell.salvia("up", "--detach").stdout)
    up = shell.salvia("up", "--data", str(shell.data / "other"), "--port", url.rpartition(":")[2])

    assert up.returncode == 1
    assert "Address already in use; choose another with --port" in up.stderr


@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_server_that_cannot_start_says_why(shell: Shell, detach: list[str]) -> None:
    shell.environment["SALVIA_ACCOUNT"] = "111111111111"
    up = shell.salvia("up", *detach)

    assert up.returncode == 1
    assert "the account is not mine" in up.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_server_in_the_foreground_ends_cleanly(shell: Shell, ending: signal.Signals) -> None:
    server = shell.start("up")
    assert server.stdout is not None
    assert "Salvia is ready at http://" in server.stdout.readline()
    server.send_signal(ending)
    out, err = server.communicate(timeout=10)

    assert (server.returncode, out, err) == (0, "", "")
    assert not list(shell.data.glob("server-*.json"))


def test_a_killed_server_is_not_found(shell: Shell) -> None:
    server = shell.start("up")
    assert server.stdout is not None
    server.stdout.readline()
    server.kill()
    server.communicate()

    assert shell.salvia("status").returncode == 3


def test_run_starts_a_server_when_none_runs_and_gives_back_the_commands_status(shell: Shell) -> None:
    first = shell.salvia("run", "--", "sh", "-c", "echo $AWS_ENDPOINT_URL; exit 7")
    second = shell.salvia("run", "sh", "-c", "echo $AWS_ENDPOINT_URL")

    assert first.returncode == 7
    assert "started a server" in first.stderr
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_a_command_that_is_not_there_is_told(shell: Shell) -> None:
    assert shell.salvia("run").returncode == 2
    run = shell.salvia("run", "--", "no-such-command")

    assert (run.returncode, run.stderr.splitlines()[-1]) == (
        127,
        "salvia: cannot run no-such-command: No such file or directory",
    )


@pytest.mark.parametrize("command", [["env"], ["status"], ["down"]])
def test_without_a_server_commands_say_how_to_start_one(shell: Shell, command: list[str]) -> None:
    asked = shell.salvia(*command)

    assert asked.returncode == 3
    assert asked.stdout == ""
    assert "salvia up" in asked.stderr


def test_an_unknown_command_is_told_what_there_is(shell: Shell) -> None:
    asked = shell.salvia("upp")

    assert asked.returncode == 2
    assert "there are: up, down" in asked.stderr
