"""A real server on a port of its own, and the environments of unmodified clients, each built from its lock.

Environments are kept in SALVIA_TEST_ENVIRONMENTS (default ~/.cache/salvia-tests) from one run to the next.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.hosting import Hosting
from tests.servers import Server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDERS = {
    "sdk2": ROOT / "src/salvia/cli/demonstration",
    "sdk3": HERE / "environments/sdk3",
    "awscli": HERE / "environments/awscli",
}


@dataclass(frozen=True)
class Client:
    """An environment with an unmodified client in it, told about the server by environment variables alone."""

    bin: Path
    variables: Mapping[str, str]

    def run(
        self, *command: str, timeout: float = 240, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            env={**self.variables, **variables},
            cwd=tempfile.mkdtemp(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def python(self, code: str, timeout: float = 240) -> dict[str, object]:
        """Run `code`; the value it leaves in `result` comes back."""
        script = f"import json\n{code}\nprint('RESULT', json.dumps(result, default=str))"
        lines = self.run("python", "-c", script, timeout=timeout).stdout.splitlines()
        found: dict[str, object] = json.loads(
            next(line for line in reversed(lines) if line.startswith("RESULT")).partition(" ")[2]
        )
        return found


@pytest.fixture(scope="session")
def environment() -> Iterator[Mapping[str, str]]:
    """A server on an empty data folder, which interrupts managed spot jobs, and what `salvia env` says of it."""
    interrupted = {"SALVIA_SPOT_INTERRUPTION_SECONDS": "2", "SALVIA_SPOT_DISCOUNT": "0.5"}
    with (
        tempfile.TemporaryDirectory() as data,
        tempfile.TemporaryDirectory() as home,
        Server(Path(data), variables=interrupted) as server,
    ):
        yield server.variables() | {"HOME": home}


@pytest.fixture(scope="session")
def hosting(environment: Mapping[str, str]) -> Hosting:
    """Models to deploy on that server."""
    return Hosting(environment)


def build(name: str) -> Path:
    """The environment's bin folder; built once for each lock."""
    cache = Path(os.environ.get("SALVIA_TEST_ENVIRONMENTS") or Path.home() / ".cache/salvia-tests")
    lock = (FOLDERS[name] / "uv.lock").read_bytes()
    target = cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}-{hashlib.sha256(lock).hexdigest()[:12]}"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [str(uv), "sync", "--frozen", "--quiet", "--project", str(FOLDERS[name]), "--python", sys.executable],
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(target)},
        check=True,
        timeout=600,
    )
    return target / "bin"


@pytest.fixture(scope="session")
def sdk2(environment: Mapping[str, str]) -> Client:
    return Client(build("sdk2"), environment)


@pytest.fixture(scope="session")
def sdk3(environment: Mapping[str, str]) -> Client:
    return Client(build("sdk3"), environment)


@pytest.fixture(scope="session")
def awscli(environment: Mapping[str, str]) -> Client:
    return Client(build("awscli"), environment)
