"""What every Compute promises: each adapter is a subclass with a fixture that opens computes over one data folder."""

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.compute.process.template import Template
from salvia.adapters.images.environment import Environment
from salvia.ports.compute import Run, RunSpec
from salvia_container.launch import kernel
from salvia_container.serving.frames import SOCKET

PLAIN = Environment("python")
ANSWERS_ONCE = f"""
import socket
s = socket.socket(socket.AF_UNIX); s.bind("/opt/ml/{SOCKET}"); s.listen()
print("ready", flush=True)
s.accept()[0].send(b"hello")
"""
Opening = Callable[[], Process]
Templates = dict[tuple[str, bool], Template]


class ComputeContract:
    """`compute` is one Compute, `another` makes a second one over the same data, `data` is that folder."""

    image = PLAIN.name

    async def test_a_run_that_was_never_launched_is_not_found(self, compute: Process) -> None:
        assert await compute.find("nothing") is None

    async def test_a_run_ends_with_the_exit_code_of_its_command(self, compute: Process, data: Path) -> None:
        ended = await self.run(compute, data, "exit 3")

        assert (ended.exit_code, ended.cause) == (3, "")
        assert ended.ended is not None
        assert ended.started <= ended.ended

    async def test_a_run_killed_by_a_signal_has_its_negative_number(self, compute: Process, data: Path) -> None:
        ended = await self.run(compute, data, "kill -SEGV $$")

        assert (ended.exit_code, ended.cause) == (-signal.SIGSEGV, "")

    async def test_a_command_that_does_not_exist_says_so_in_the_log(self, compute: Process, data: Path) -> None:
        ended = await finish(compute, await compute.launch(self.spec(data, command=("no-such-program",))))

        assert ended.exit_code == 127
        assert "no-such-program: No such file or directory" in log(data)

    async def test_stdout_and_stderr_go_to_the_log_in_their_order(self, compute: Process, data: Path) -> None:
        (data / "log").write_text("before\n")
        await self.run(compute, data, "for i in 1 2 3; do echo out $i; echo err $i >&2; done")

        assert log(data) == "before\nout 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"

    async def test_launching_twice_starts_once(self, compute: Process, data: Path) -> None:
        spec = self.spec(data, "echo started")
        first = await compute.launch(spec)
        await finish(compute, first)
        second = await compute.launch(spec)

        assert second.started == first.started
        assert log(data) == "started\n"

    async def test_many_launches_at_once_from_two_servers_start_once(
        self, compute: Process, another: Opening, data: Path
    ) -> None:
        spec, other = self.spec(data, "echo started"), another()
        runs = await asyncio.gather(*[each.launch(spec) for each in (compute, other) * 5])
        await finish(other, runs[0])

        assert len({run.started for run in runs}) == 1
        assert log(data) == "started\n"

    async def test_what_is_put_into_the_folder_is_seen_and_what_the_run_leaves_is_kept(
        self, compute: Process, data: Path
    ) -> None:
        folder = compute.folder("run")
        (folder / "input").mkdir(parents=True)
        (folder / "input/numbers").write_text("1 2 3")
        await self.run(compute, data, "mkdir /opt/ml/model && cp /opt/ml/input/numbers /opt/ml/model/numbers")

        assert (folder / "model/numbers").read_text() == "1 2 3"

    async def test_read_only_channels_cannot_be_changed(self, compute: Process, data: Path) -> None:
        channel = compute.folder("run") / "input/data/train"
        channel.mkdir(parents=True)
        (channel / "rows.csv").write_text("1,2")
        (channel / "rows.csv").chmod(0o444)
        script = "cd /opt/ml/input/data/train; cat rows.csv; echo no > rows.csv; rm -f rows.csv; touch new; chmod 777 ."
        await self.run(compute, data, script, read_only=("input/data/train",))

        assert log(data).startswith("1,2")
        assert log(data).count("Read-only file system") == 4
        assert [(path.name, path.read_text()) for path in channel.iterdir()] == [("rows.csv", "1,2")]

    async def test_stop_asks_and_the_run_may_finish_its_work(self, compute: Process, data: Path) -> None:
        run = await self.started(
            compute, data, "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
        )
        await compute.stop("run", 20)
        ended = await finish(compute, run)

        assert ended.exit_code == 0
        assert log(data).endswith("saved\n")

    async def test_children_of_a_stopped_run_may_finish_too(self, compute: Process, data: Path) -> None:
        child = "import signal, time; signal.signal(15, lambda *_: (time.sleep(.1), print('saved'), exit())); print('ready', flush=True)"
        run = await self.started(compute, data, f'python3 -c "{child}; time.sleep(60)"; echo never')
        await compute.stop("run", 20)
        ended = await finish(compute, run)

        assert ended.exit_code == -signal.SIGTERM
        assert log(data) == "ready\nsaved\n"

    async def test_stop_ends_a_run_that_does_not_listen_by_the_signal(self, compute: Process, data: Path) -> None:
        run = await self.started(compute, data, "echo ready; exec sleep 60")
        await compute.stop("run", 20)

        assert (await finish(compute, run)).exit_code == -signal.SIGTERM

    async def test_a_run_that_ignores_the_wish_is_killed_after_the_grace(self, compute: Process, data: Path) -> None:
        run = await self.started(compute, data, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
        await compute.stop("run", 0.1)
        ended = await finish(compute, run)

        assert (ended.exit_code, ended.cause) == (-signal.SIGKILL, "")

    async def test_a_shorter_grace_counts_even_when_it_comes_later(self, compute: Process, data: Path) -> None:
        run = await self.started(compute, data, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
        await compute.stop("run", 600)
        await compute.stop("run", 0)

        assert (await finish(compute, run)).exit_code == -signal.SIGKILL

    async def test_a_run_stopped_before_its_launch_ends_without_starting(self, compute: Process, data: Path) -> None:
        await compute.stop("run", 10)
        ended = await self.run(compute, data, "echo started")

        assert ended.exit_code == -signal.SIGTERM
        assert log(data) == ""

    async def test_stopping_a_run_that_has_ended_changes_nothing(self, compute: Process, data: Path) -> None:
        ended = await self.run(compute, data, "exit 4")
        await compute.stop("run", 0)

        assert await compute.find("run") == ended

    async def test_what_a_run_leaves_running_dies_with_it(self, compute: Process, data: Path) -> None:
        (data / "log").touch()
        await self.run(compute, data, "(sleep 0.05; echo late) & exit 0")
        await asyncio.sleep(0.1)

        assert log(data) == ""

    async def test_too_much_memory_ends_the_run_and_is_named(self, compute: Process, data: Path) -> None:
        hungry = "import time; held = bytearray(400 << 20); time.sleep(20)"
        spec = self.spec(data, command=("python3", "-c", hungry), memory=100 << 20)
        ended = await finish(compute, await compute.launch(spec))

        assert (ended.exit_code, ended.cause) == (-signal.SIGKILL, "OutOfMemory")

    async def test_the_end_of_a_run_is_told(self, compute: Process, data: Path) -> None:
        told: asyncio.Queue[str] = asyncio.Queue()
        compute.on_change(told.put_nowait)
        await compute.launch(self.spec(data, "exit 0"))

        assert await asyncio.wait_for(told.get(), 10) == "run"

    async def test_another_server_adopts_a_run_and_is_told_of_its_end(
        self, compute: Process, another: Opening, data: Path
    ) -> None:
        told: asyncio.Queue[str] = asyncio.Queue()
        run = await self.started(compute, data, "echo ready; exec sleep 60")
        other = another()
        other.on_change(told.put_nowait)

        assert await other.find("run") == run
        await other.stop("run", 5)
        assert await asyncio.wait_for(told.get(), 10) == "run"

    async def test_removing_frees_the_folder_and_the_name(self, compute: Process, data: Path) -> None:
        await self.run(compute, data, "mkdir -p /opt/ml/a/b && touch /opt/ml/a/b/c && chmod 0 /opt/ml/a/b /opt/ml/a")
        await compute.remove("run")

        assert await compute.find("run") is None
        assert not compute.folder("run").exists()
        assert (await self.run(compute, data, "exit 5")).exit_code == 5

    async def test_removing_frees_a_folder_whatever_the_run_left_in_it(self, compute: Process, data: Path) -> None:
        deep = "import os; [(os.mkdir('d'), os.chdir('d')) for _ in range(2500)]; open('f', 'w').close()"
        script = f"""
            mkdir -p /opt/ml/closed/a/b && touch /opt/ml/closed/a/b/file && ln -s / /opt/ml/closed/a/root
            chmod 0 /opt/ml/closed/a/b /opt/ml/closed/a /opt/ml/closed
            mkfifo /tmp/pipe && cd /opt/ml && python3 -c "{deep}" && echo ready"""
        await self.run(compute, data, script)
        await compute.remove("run")

        assert log(data) == "ready\n"
        assert not list((data / "runs").glob("*run*"))
        assert not list((data / "runs").glob(".removed-*"))

    async def test_removing_a_run_that_runs_ends_it(self, compute: Process, data: Path) -> None:
        await self.started(compute, data, "trap '' TERM; echo ready; while :; do echo alive; sleep 0.01; done")
        await compute.remove("run")
        size = len(log(data))
        await asyncio.sleep(0.05)

        assert len(log(data)) == size

    async def test_a_run_whose_folder_is_deleted_ends(self, compute: Process, data: Path) -> None:
        """Also with no server: nobody could find it any more. What is left of it when its supervisor has ended is nothing."""
        await self.started(compute, data, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
        folders = RunFolders(data / "runs")
        supervisor = folders.supervisor("run")
        assert supervisor is not None
        shutil.rmtree(folders.path("run"))

        await until(lambda: bool(select.select([supervisor], [], [], 0)[0]))
        os.close(supervisor)

    async def test_removing_what_was_never_launched_frees_its_folder(self, compute: Process) -> None:
        compute.folder("run").mkdir(parents=True)
        await compute.remove("run")

        assert not compute.folder("run").exists()

    async def test_removing_what_is_not_there_is_no_error(self, compute: Process) -> None:
        await compute.remove("nothing")

    async def test_a_run_sees_its_variables_and_none_of_the_server(
        self, compute: Process, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the server")
        seen = await self.variables(compute, data, cpus=3.5, variables={"TRAINING_JOB_NAME": "job"})

        assert seen["TRAINING_JOB_NAME"] == "job"
        assert [seen[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")] == ["3"] * 4
        assert "AWS_SECRET_ACCESS_KEY" not in seen
        assert "PYTEST_CURRENT_TEST" not in seen

    async def test_hosts_and_hostname_are_the_runs_own(self, compute: Process, data: Path) -> None:
        hosts = {"algo-1": "127.0.1.1", "algo-2": "127.0.1.2"}
        await self.run(compute, data, "hostname; getent hosts algo-1 algo-2 localhost", hostname="algo-2", hosts=hosts)
        words = log(data).split()

        assert words[:5] == ["algo-2", "127.0.1.1", "algo-1", "127.0.1.2", "algo-2"]

    async def test_a_run_is_nobody_in_particular(self, compute: Process, data: Path) -> None:
        await self.run(compute, data, "id -u; grep -E '^(CapEff|CapPrm|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status")
        uid, *lines = log(data).splitlines()

        assert int(uid) != 0
        assert {line.split()[1] for line in lines} == {"0000000000000000", "1"}

    async def test_two_runs_do_not_see_each_other(self, compute: Process, data: Path) -> None:
        (compute.folder("first") / "secret").parent.mkdir(parents=True)
        (compute.folder("first") / "secret").write_text("of the first")
        await self.started(compute, data, "echo ready; exec sleep 60", name="first")
        (data / "log").unlink()
        script = f"ls /opt/ml /tmp; cat {compute.folder('first')}/secret; echo processes /proc/[0-9]*; ls /proc/1/root/"
        await self.run(compute, data, script)
        await compute.remove("first")

        assert "of the first" not in log(data)
        assert "secret\n" not in log(data)
        assert "processes /proc/1 /proc/2\n" in log(data)

    async def test_the_host_is_hidden(self, compute: Process, data: Path) -> None:
        (data / "salvia.db").write_text("the records")
        hidden = [
            data,
            data / "salvia.db",
            Path.home() / ".bashrc",
            Path.home() / ".aws",
            "/run/salvia/runs",
            "/home",
            "/etc/shadow",
        ]
        script = f"for path in {' '.join(map(str, hidden))}; do ls $path/* $path && echo visible $path; done; true"
        await self.run(compute, data, script)

        assert "visible" not in log(data)
        assert log(data).count("No such file") >= len(hidden)

    async def test_only_its_own_places_can_be_written(self, compute: Process, data: Path) -> None:
        places = "/ /etc /usr /opt /proc/sys/kernel /root /opt/salvia /dev"
        await self.run(
            compute, data, f"for p in {places}; do touch $p/x && echo wrote $p; done; touch /tmp/x /opt/ml/x /dev/shm/x"
        )

        assert "wrote" not in log(data)
        assert (compute.folder("run") / "x").exists()

    async def test_the_servers_port_can_be_reached(self, compute: Process, data: Path) -> None:
        with listening() as port:
            ended = await self.run(compute, data, f"exec 3<>/dev/tcp/127.0.0.1/{port}")

        assert ended.exit_code == 0

    async def test_an_isolated_run_reaches_nothing_but_itself(self, compute: Process, data: Path) -> None:
        with listening() as port:
            script = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached; cut -d: -f1 /proc/net/dev | tail -n +3"
            await self.run(compute, data, script, isolated=True)

        assert "reached" not in log(data)
        assert log(data).split()[-1] == "lo"

    async def test_a_run_may_make_only_so_many_processes(self, compute: Process, data: Path) -> None:
        await self.run(compute, data, "ulimit -u; ulimit -Hu")

        assert log(data).split() == ["4096", "4096"]

    async def test_nothing_a_run_can_write_to_holds_devices_or_set_uid_programs(
        self, compute: Process, data: Path
    ) -> None:
        await self.run(compute, data, "grep -E ' (/opt/ml|/tmp|/dev/shm) ' /proc/self/mountinfo | cut -d' ' -f5,6")
        found = [line.split() for line in log(data).splitlines()]

        assert {place for place, _ in found} == {"/opt/ml", "/tmp", "/dev/shm"}
        assert all({"nosuid", "nodev"} <= set(flags.split(",")) for _, flags in found)

    @pytest.mark.skipif(not kernel.can_scope(), reason="needs Linux 6.12 with Landlock")
    async def test_abstract_sockets_of_the_host_are_out_of_reach_and_its_own_are_not(
        self, compute: Process, data: Path
    ) -> None:
        name = f"salvia-test-{os.getpid()}"
        script = (
            "import socket\n"
            "own = socket.socket(socket.AF_UNIX); own.bind('\\0own-' + __import__('sys').argv[1]); own.listen()\n"
            "for name in ('own-' + __import__('sys').argv[1], __import__('sys').argv[1]):\n"
            "    try: print(socket.socket(socket.AF_UNIX).connect('\\0' + name))\n"
            "    except OSError as error: print(error.strerror)\n"
        )
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{name}")
            listener.listen()
            spec = self.spec(data, command=("python3", "-c", script, name))
            await finish(compute, await compute.launch(spec))

        assert log(data).splitlines() == ["None", "Operation not permitted"]

    async def test_what_a_run_serves_can_be_dialled_even_when_it_has_no_network(
        self, compute: Process, data: Path
    ) -> None:
        await self.started(compute, data, "", isolated=True, command=("python3", "-c", ANSWERS_ONCE))
        with await compute.dial("run") as line:
            line.setblocking(True)

            assert line.recv(100) == b"hello"

    async def test_a_run_that_does_not_listen_refuses(self, compute: Process, data: Path) -> None:
        await self.started(compute, data, "echo ready; sleep 60")

        for name in ("run", "never-launched"):
            with pytest.raises(ConnectionRefusedError):
                await compute.dial(name)

    async def test_a_run_that_has_ended_refuses(self, compute: Process, data: Path) -> None:
        run = await self.started(compute, data, "", command=("python3", "-c", ANSWERS_ONCE))
        (await compute.dial("run")).close()
        await finish(compute, run)

        with pytest.raises(ConnectionRefusedError):
            await compute.dial("run")

    async def test_a_run_cannot_lead_its_server_to_a_socket_of_the_host(self, compute: Process, data: Path) -> None:
        target = data / "target.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(target))
            listener.listen()
            await self.run(compute, data, f"ln -s {target} /opt/ml/{SOCKET}")

            with pytest.raises(ConnectionRefusedError):
                await compute.dial("run")
        target.unlink()

    async def test_a_run_that_accepts_nothing_does_not_make_its_server_wait(self, compute: Process, data: Path) -> None:
        script = f"import socket, time\ns = socket.socket(socket.AF_UNIX); s.bind('/opt/ml/{SOCKET}'); s.listen(0); print('ready', flush=True)\ntime.sleep(60)"
        await self.started(compute, data, "", command=("python3", "-c", script))
        lines = [await compute.dial("run")]

        with pytest.raises(ConnectionRefusedError):
            lines += [await compute.dial("run") for _ in range(10)]
        for line in lines:
            line.close()

    async def test_capacity_is_what_the_machine_has(self, compute: Process) -> None:
        cpus, memory = compute.capacity()

        assert 0 < cpus <= (os.cpu_count() or 1)
        assert memory > 1 << 28

    async def test_a_name_that_leads_elsewhere_is_refused(self, compute: Process) -> None:
        with pytest.raises(ValueError, match="no name for a run"):
            compute.folder("../elsewhere")

    def spec(self, data: Path, script: str = "", *, name: str = "run", **given: Any) -> RunSpec:
        return RunSpec(name, self.image, **{"command": ("/bin/bash", "-c", script), "log": data / "log", **given})

    async def run(self, compute: Process, data: Path, script: str, **given: Any) -> Run:
        return await finish(compute, await compute.launch(self.spec(data, script, **given)))

    async def started(self, compute: Process, data: Path, script: str, **given: Any) -> Run:
        """A run whose script has said that it is ready."""
        run = await compute.launch(self.spec(data, script, **given))
        await until(lambda: "ready" in log(data))
        return run

    async def variables(self, compute: Process, data: Path, **given: Any) -> dict[str, str]:
        show = "import json, os; print(json.dumps(dict(os.environ)))"
        await finish(compute, await compute.launch(self.spec(data, command=("python3", "-c", show), **given)))
        seen: dict[str, str] = json.loads(log(data))
        return seen


class TestProcess(ComputeContract):
    given: ClassVar[dict[str, bool]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def home(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Templates]]:
        """A data folder and templates for all tests: to start a template for each would be most of their time."""
        templates: Templates = {}
        yield tmp_path_factory.mktemp("data"), templates
        for template in templates.values():
            template.close()

    @pytest.fixture
    def data(self, home: tuple[Path, Templates]) -> Path:
        return home[0]

    @pytest.fixture
    def another(self, home: tuple[Path, Templates]) -> Iterator[Opening]:
        data, templates = home
        opened: list[Process] = []

        def open_one() -> Process:
            opened.append(Process(data, {PLAIN.name: PLAIN}.__getitem__, **self.given))
            opened[-1]._templates = templates
            return opened[-1]

        yield open_one
        for each in opened:
            each._templates = {}
            each.close()
        folders = RunFolders(data / "runs")
        for path in folders.top.glob("[!.]*"):
            folders.remove(path.name)
        (data / "log").unlink(missing_ok=True)

    @pytest.fixture
    def compute(self, another: Opening) -> Process:
        return another()


class TestProcessOfAnOrdinaryUser(TestProcess):
    """In user namespaces, with no control group: what an ordinary user has."""

    given: ClassVar[dict[str, bool]] = {"as_user": True, "groups_too": False}


async def finish(compute: Process, run: Run) -> Run:
    """The run when it has ended; told by the compute, or seen by looking."""
    changed = asyncio.Event()
    compute.on_change(lambda _: changed.set())
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = await compute.find(run.name)
        assert found is not None
        if found.exit_code is not None:
            return found
        with_limit = asyncio.wait_for(changed.wait(), 0.1)
        await asyncio.gather(with_limit, return_exceptions=True)
        changed.clear()
    raise AssertionError(f"{run.name} does not end")


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def log(data: Path) -> str:
    return (data / "log").read_text() if (data / "log").exists() else ""


class listening:  # noqa: N801 - used as a word
    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._socket.close()
