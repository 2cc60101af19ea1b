"""What the process engine promises beyond the contract: templates, supervisors, and the death of either or of the server."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.compute.usage import ProcUsage
from salvia.adapters.images.environment import Environment
from salvia.ports.compute import CannotLaunchError, Run, RunSpec
from salvia_container.launch import record

PROGRAM = Environment("program", modules=("program",), preload=("json", "salvia_container.failure"))


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[Process]:
    opened = Process(tmp_path, {"program": PROGRAM, "python": Environment("python")}.__getitem__)
    yield opened
    opened.close()


async def test_a_module_is_forked_with_the_templates_imports_done(compute: Process, tmp_path: Path) -> None:
    text = "import sys, os; print('json' in sys.modules, sys.argv[1:], __name__, os.environ['COLOUR'], os.getcwd())"

    assert await lines_of(compute, tmp_path, text) == ["True ['train'] __main__ blue /opt/ml"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(7)", 7),
        ("raise SystemExit('sorry')", 1),
        ("1 / 0", 1),
        ("import os; os._exit(9)", 9),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import threading; threading.Thread(target=print, args=['late']).start()", 0),
    ],
)
async def test_a_module_ends_with_the_code_python_would_give(
    compute: Process, tmp_path: Path, text: str, code: int
) -> None:
    assert (await program(compute, tmp_path, text)).exit_code == code


async def test_a_traceback_begins_with_the_users_code(compute: Process, tmp_path: Path) -> None:
    lines = await lines_of(compute, tmp_path, "1 / 0")

    assert not any("salvia_container" in line for line in lines)
    assert lines[-1] == "ZeroDivisionError: division by zero"


async def test_files_that_nobody_closed_are_written(compute: Process, tmp_path: Path) -> None:
    await program(compute, tmp_path, "kept = open('/opt/ml/left', 'w'); kept.write('here')")

    assert (compute.folder("run") / "left").read_text() == "here"


async def test_exit_functions_run_and_output_is_flushed(compute: Process, tmp_path: Path) -> None:
    text = "import atexit, sys; atexit.register(print, 'last'); sys.stdout.write('no newline, ')"

    assert await lines_of(compute, tmp_path, text) == ["no newline, last"]


async def test_each_line_reaches_the_log_at_once(compute: Process, tmp_path: Path) -> None:
    folder = compute.folder("run")
    folder.mkdir(parents=True)
    (folder / "program.py").write_text("import time; print('first'); time.sleep(60)")
    await compute.launch(spec(tmp_path))

    await until(lambda: (tmp_path / "log").read_text() == "first\n")
    await compute.remove("run")


async def test_a_plain_script_is_forked_too_unless_a_variable_must_be_read_at_the_start(
    compute: Process, tmp_path: Path
) -> None:
    text = "import sys; print('salvia_container.failure' in sys.modules, sys.argv, __name__, __file__)"
    command = ("python3", "program.py", "--epochs", "2")
    forked = await lines_of(compute, tmp_path, text, "forked", command=command)
    executed = await lines_of(compute, tmp_path, text, "executed", command=command, variables={"PYTHONHASHSEED": "1"})

    assert forked == ["True ['program.py', '--epochs', '2'] __main__ /opt/ml/program.py"]
    assert executed == ["False ['program.py', '--epochs', '2'] __main__ /opt/ml/program.py"]


@pytest.fixture
def with_packages(tmp_path: Path) -> Iterator[Process]:
    """An environment with one module in it, which runs may add theirs to."""
    folder = tmp_path / "environment"
    subprocess.run(
        [
            sys.executable.replace("python", "uv"),
            "venv",
            "--quiet",
            "--no-project",
            str(folder),
            "--python",
            sys.executable,
        ],
        check=True,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "of_image.py").write_text("version = 'image'")
    (folder / "bin/accelerate").write_text(
        "import sys, of_image; print(of_image.version, sys.executable, *sys.argv[1:])"
    )
    found = Environment("program", folder, modules=("program",), preload=("json",))
    opened = Process(tmp_path, lambda _: found)
    yield opened
    opened.close()


async def test_what_a_run_installs_comes_before_what_its_image_has_and_is_its_own(
    with_packages: Process, tmp_path: Path
) -> None:
    text = (
        "import subprocess, sys, sysconfig\n"
        "look = 'import of_image; print(of_image.version)'\n"
        "where = [sys.executable, '-c', 'import sysconfig; print(sysconfig.get_path(\"purelib\"))']\n"
        "site = subprocess.run(where, capture_output=True, text=True).stdout.strip()\n"
        "subprocess.run([sys.executable, '-c', look])\n"
        "open(f'{site}/of_image.py', 'w').write('version = \"run\"')\n"
        "subprocess.run([sys.executable, '-c', look])\n"
        "exec(look)\n"
        "print(site.startswith('/opt/packages/'), sys.executable)\n"
    )
    first = await lines_of(with_packages, tmp_path, text, "first")
    second = await lines_of(with_packages, tmp_path, text, "second")

    assert first == second == ["image", "run", "run", "True /opt/packages/bin/python"]


async def test_what_starts_the_users_script_sees_what_a_run_installs(with_packages: Process, tmp_path: Path) -> None:
    text = (
        "import subprocess, sysconfig\n"
        "open(sysconfig.get_path('purelib') + '/of_image.py', 'w').write('version = \"run\"')\n"
        "subprocess.run(['accelerate', 'launch', 'train.py'])\n"
    )
    said = await lines_of(
        with_packages, tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {text!r}])"
    )

    assert said == ["run /opt/packages/bin/python launch train.py"]


async def test_a_run_cannot_read_what_earlier_runs_were_given(compute: Process, tmp_path: Path) -> None:
    await lines_of(compute, tmp_path, "print(1)", name="first", variables={"SECRET": "hunter" + "2" * 20})
    look = (
        "import re\n"
        "for line in open('/proc/self/maps'):\n"
        "    low, high = (int(x, 16) for x in line.split()[0].split('-'))\n"
        "    if 'rw' in line.split()[1]:\n"
        "        with open('/proc/self/mem', 'rb', 0) as memory:\n"
        "            memory.seek(low)\n"
        "            print(len(re.findall(rb'hunter[2]{20}', memory.read(high - low))))\n"
    )

    assert set(await lines_of(compute, tmp_path, look, name="second")) == {"0"}


async def test_a_killed_supervisor_takes_its_run_along(compute: Process, tmp_path: Path) -> None:
    run = await compute.launch(spec(tmp_path, ("/bin/bash", "-c", "while :; do echo alive; sleep 0.01; done")))
    await until(lambda: (tmp_path / "log").stat().st_size > 0)
    with RunFolders(tmp_path / "runs").open("run") as folder:
        claim = record.read_claim(folder)
    assert claim is not None
    os.kill(claim.pid, signal.SIGKILL)
    ended = await finish(compute, run)
    size = (tmp_path / "log").stat().st_size
    await asyncio.sleep(0.05)

    assert (ended.exit_code, ended.cause) == (-9, "Lost")
    assert await compute.find("run") == ended
    assert (tmp_path / "log").stat().st_size == size


async def test_runs_outlive_their_template(compute: Process, tmp_path: Path) -> None:
    run = await compute.launch(spec(tmp_path, ("/bin/bash", "-c", "read -t 0.3 <> <(:); exit 6")))
    compute.close()

    assert (await finish(compute, run)).exit_code == 6


async def test_a_dead_template_is_replaced(compute: Process, tmp_path: Path) -> None:
    await lines_of(compute, tmp_path, "print(1)", name="first")
    (template,) = compute._templates.values()
    assert template._process is not None
    os.killpg(template._process.pid, signal.SIGKILL)

    assert await lines_of(compute, tmp_path, "print(2)", name="second") == ["2"]


async def test_a_template_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = Environment("broken", modules=("program",), preload=("no_such_module",))
    compute = Process(tmp_path, {"program": broken}.__getitem__)
    with contextlib.closing(compute), pytest.raises(CannotLaunchError, match="No module named 'no_such_module'"):
        await compute.launch(spec(tmp_path))


async def test_an_environment_that_is_not_there_is_named(compute: Process, tmp_path: Path) -> None:
    with pytest.raises(CannotLaunchError, match="there is no environment 'other'"):
        await compute.launch(RunSpec("run", "other", ("true",), tmp_path / "log"))


async def test_a_template_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    with server(tmp_path, "hold") as process:
        template = int(await asyncio.to_thread(line_of, process))

    await until(lambda: not Path(f"/proc/{template}").exists())


@pytest.mark.parametrize("milliseconds", [0, 2, 4, 8, 16])
async def test_a_server_killed_at_any_moment_of_a_launch_starts_once(
    compute: Process, tmp_path: Path, milliseconds: int
) -> None:
    with server(tmp_path, "race") as process:
        await asyncio.to_thread(line_of, process)
        await asyncio.sleep(milliseconds / 1000)
    ended = await finish(compute, await compute.launch(spec(tmp_path, ("/bin/bash", "-c", "echo started"))))

    assert (ended.exit_code, ended.cause) == (0, "")
    assert (tmp_path / "log").read_text() == "started\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not Path("/usr/bin/python3.11").exists(), reason="needs an interpreter that everybody can read")
def test_an_ordinary_user_has_sandboxes_too() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # A copy: the checkout may stand in a folder that only its owner can enter.
        sources = shutil.copytree(SOURCES, Path(folder) / "src")
        script = shutil.copy(SERVER, folder)
        data = Path(folder) / "data"
        data.mkdir()
        os.chown(data, NOBODY, NOBODY)
        os.chmod(folder, 0o755)
        done = subprocess.run(
            ["/usr/bin/python3.11", script, str(data), "finish"],
            env={"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            check=True,
            cwd="/",
        )

    assert json.loads(done.stdout) == [0, "started\n"]


SERVER = Path(__file__).parent / "small_server.py"
SOURCES = Path(__file__).parents[3] / "src"
NOBODY = 65534


@contextlib.contextmanager
def server(data: Path, act: str) -> Iterator[subprocess.Popen[str]]:
    """Killed, as a power cut would, at the end of the block."""
    process = subprocess.Popen([sys.executable, str(SERVER), str(data), act], stdout=subprocess.PIPE, text=True)
    with process:
        yield process
        process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


async def test_what_a_run_uses_is_seen_with_its_children_until_it_ends(compute: Process, tmp_path: Path) -> None:
    text = """
import os, time
held = bytearray(os.urandom(1 << 20)) * 50
if os.fork() == 0:
    while time.process_time() < 0.3:
        pass
    os._exit(0)
os.wait()
print("done", flush=True)
time.sleep(60)
"""
    usage = ProcUsage(tmp_path / "runs")
    (compute.folder("run")).mkdir(parents=True)
    (compute.folder("run") / "program.py").write_text(text)
    before = await usage.of("run")
    await compute.launch(spec(tmp_path))
    await until(lambda: (tmp_path / "log").read_text() == "done\n")
    used = await usage.of("run")
    await compute.remove("run")

    assert before is None
    assert used is not None
    assert 0.2 <= used.cpu < 20
    assert 50 << 20 <= used.memory < 400 << 20
    assert await usage.of("run") is None


def spec(
    data: Path, command: tuple[str, ...] = ("python", "-m", "program", "train"), name: str = "run", **given: Any
) -> RunSpec:
    given.setdefault("variables", {"COLOUR": "blue"})
    return RunSpec(name, "program" if command[0].startswith("python") else "python", command, data / "log", **given)


async def program(compute: Process, data: Path, text: str, name: str = "run", **given: Any) -> Run:
    folder = compute.folder(name)
    folder.mkdir(parents=True)
    (folder / "program.py").write_text(text)
    return await finish(compute, await compute.launch(spec(data, name=name, **given)))


async def lines_of(compute: Process, data: Path, text: str, name: str = "run", **given: Any) -> list[str]:
    (data / "log").unlink(missing_ok=True)
    await program(compute, data, text, name, **given)
    return (data / "log").read_text().splitlines()


async def finish(compute: Process, run: Run) -> Run:
    found: Run | None = run
    end = time.monotonic() + 20
    while found is not None and found.exit_code is None:
        assert time.monotonic() < end
        await asyncio.sleep(0.005)
        found = await compute.find(run.name)
    assert found is not None
    return found


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)
