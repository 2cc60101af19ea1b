"""Script mode beside AWS's toolkit: what is said of a failure, which pins give way, and a script that a waiting process becomes."""

import subprocess
import sys
from pathlib import Path

import pytest

from salvia_container.script_mode.not_here import why_not
from salvia_container.script_mode.requirements import kept_versions, settle
from salvia_container.script_mode.said import cause
from salvia_container.script_mode.tensorflow_cluster import with_servers, workers
from salvia_container.script_mode.torchrun import with_port
from salvia_container.script_mode.train import _to_one_line, asked_for


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", ""),
        ("only words\n", "only words"),
        ('Traceback (most recent call last):\n  File "a", line 1\nValueError: no\n', "ValueError: no"),
        ("KeyError: 1\nDuring handling:\nmy.own.BadError: 2\nException ignored in: x\n", "my.own.BadError: 2"),
        (
            "ERROR: Could not find\nERROR: No matching distribution found for a==9\n[notice] pip\n",
            "ERROR: No matching distribution found for a==9",
        ),
        ("10%\r20%\r30%", "30%"),
        ("[rank0]: RuntimeError: gone\n", "[rank0]: RuntimeError: gone"),
        (
            "[1,3]<stderr>:ValueError[1,3]<stderr>:: no[1,3]<stderr>:\n-----\nMPI_ABORT was invoked\n-----\n",
            "ValueError: no",
        ),
        (
            "mpirun noticed that process rank 2 exited on signal 9.\n------\n",
            "mpirun noticed that process rank 2 exited on signal 9.",
        ),
        (f"ValueError: {'x' * 1000}", f"ValueError: {'x' * 588}"),
    ],
)
def test_the_cause_is_the_error_that_ended_it(said: str, why: str) -> None:
    assert cause(said) == why


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("--nnodes 2 --master_port 7777 --node_rank 0 a.py", "--nnodes 2 --master_port 20001 --node_rank 0 a.py"),
        ("--nnodes=2 --master_port=7777 a.py", "--nnodes=2 --master_port=20001 a.py"),
        ("--master-port 7777 a.py --master_port 7777", "--master-port 20001 a.py --master_port 7777"),
        ("--master_port 29501 a.py --master_port 7777", "--master_port 29501 a.py --master_port 7777"),
        ("--nproc_per_node=2 a.py 7777", "--nproc_per_node=2 a.py 7777"),
        ("a.py --master_port", "a.py --master_port"),
    ],
)
def test_torchrun_has_the_jobs_port_where_the_launcher_says_the_one_of_all(said: str, told: str) -> None:
    assert with_port(said.split(), "20001") == told.split()


def test_an_old_pin_of_what_the_image_keeps_gives_way_and_the_log_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("# mine\ntorch==1.13.1\nPyYAML>=5  # any\nnumpy>=1.20\n--no-cache-dir\ngit+https://example.org/x\n")
    settle(file, {"torch": "2.15.0", "numpy": "2.3.5"})

    assert file.read_text().splitlines() == [
        "# mine",
        "torch==2.15.0",
        "PyYAML>=5  # any",
        "numpy>=1.20",
        "--no-cache-dir",
        "git+https://example.org/x",
    ]
    assert "requirements.txt asks for torch==1.13.1; this image keeps torch 2.15.0" in capsys.readouterr().out


def test_what_the_image_keeps_is_read_from_its_constraints(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("scikit_learn==1.9.1\n")

    assert kept_versions(tmp_path / "constraints.txt") == {"scikit-learn": "1.9.1"}
    assert kept_versions(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (
            'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "E: x"\nCommand "python a"',
            'ExecuteUserScriptError: ExitCode 1 ErrorMessage "E: x" Command "python a"',
        ),
        ("Framework Error: \nTraceback (most recent call last):\n  File\nOSError: gone\ngone", "Framework Error: gone"),
    ],
)
def test_the_reason_of_a_failure_is_one_line(tmp_path: Path, written: str, line: str) -> None:
    failure = tmp_path / "failure"
    failure.write_text(written)
    _to_one_line(failure)

    assert failure.read_text() == line


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("sagemaker_mpi_enabled", "MPI is"),  # where there is no mpirun
        ("sagemaker_distributed_dataparallel_enabled", "smdistributed is"),
    ],
)
def test_a_way_to_distribute_that_is_not_here_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.setenv("PATH", "")
    assert why_not({name: True}, 2).startswith(f"{what} not supported")
    assert why_not({name: False, "sagemaker_torch_distributed_enabled": True}, 2) == ""


def test_the_first_instance_is_the_master_and_every_server_of_tensorflow_has_a_port_of_its_own() -> None:
    hosts = ["algo-1", "algo-2", "algo-3"]
    config = with_servers(hosts, "algo-3", 20000)

    assert config["cluster"] == {
        "master": ["algo-1:20000"],
        "worker": ["algo-2:20001", "algo-3:20002"],
        "ps": ["algo-1:20003", "algo-2:20004", "algo-3:20005"],
    }
    assert config["task"] == {"type": "worker", "index": 1}
    assert with_servers(hosts, "algo-1", 20000)["task"] == {"type": "master", "index": 0}
    assert workers(hosts, "algo-2", 20000)["cluster"] == {"worker": ["algo-1:20000", "algo-2:20001", "algo-3:20002"]}


def test_a_script_is_asked_for_by_hyperparameter_or_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_for({"sagemaker_program": "train.py"})
    assert not asked_for({"max_depth": "3"})
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "train.py")
    assert asked_for({})


def run_waiting(
    tmp_path: Path, script: str, *arguments: str, name: str = "script.py"
) -> subprocess.CompletedProcess[str]:
    """The output of a script that a waiting process became; the last line is its exit code."""
    (tmp_path / "script.py").write_text(script)
    code = (
        "import os, sys, json\n"
        "from salvia_container.launch import partial\n"
        "from salvia_container.script_mode.waiting import WaitingProcess\n"
        "import json.decoder; json.decoder.mine = 1\n"
        "partial.add('json')\n"
        "waiting = WaitingProcess()\n"
        "import logging; logging.basicConfig()  # as the toolkit does after the fork\n"
        "assert waiting.free\n"
        "variables = {'COLOUR': 'blue', 'PATH': os.environ['PATH']}\n"
        "waiting.start(sys.argv[1], sys.argv[3:], variables, sys.argv[2], 2)\n"
        "assert not waiting.free\n"
        "print(waiting.wait())\n"
    )
    command = [sys.executable, "-c", code, name, str(tmp_path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def test_a_waiting_process_becomes_the_script_as_an_interpreter_of_its_own_would(tmp_path: Path) -> None:
    script = (
        "import logging, os, pickle, sys\n"
        "class Mine: pass\n"
        "print(sys.argv, __name__, __file__ == os.path.abspath('script.py'), sys.path[0] == os.getcwd())\n"
        "print(sorted(os.environ.keys() - {'PATH', 'LC_CTYPE'}), logging.root.handlers)\n"
        "print(type(pickle.loads(pickle.dumps(Mine()))) is Mine)\n"
        "import json.decoder; print(hasattr(json.decoder, 'mine'))\n"
    )

    assert run_waiting(tmp_path, script, "--epochs", "2").stdout.splitlines() == [
        "['script.py', '--epochs', '2'] __main__ True True",
        "['COLOUR'] []",
        "True",
        "False",
        "0",
    ]


@pytest.mark.parametrize(
    ("script", "code", "last"),
    [
        ("raise SystemExit(7)", "7", ""),
        ("def f():\n    1 / 0\nf()", "1", "ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", "-9", ""),
        ("1 +", "1", "SyntaxError: invalid syntax"),
    ],
)
def test_a_waiting_process_ends_as_an_interpreter_would(tmp_path: Path, script: str, code: str, last: str) -> None:
    done = run_waiting(tmp_path, script)

    assert done.stdout.split()[-1] == code
    assert done.stderr.strip().rpartition("\n")[2] == last
    assert "salvia_container" not in done.stderr


def test_a_script_that_is_not_there_is_said_in_pythons_words(tmp_path: Path) -> None:
    done = run_waiting(tmp_path, "", name="missing.py")

    assert done.stdout.split()[-1] == "2"
    assert f"can't open file '{tmp_path}/missing.py': [Errno 2] No such file or directory" in done.stderr
