"""Salvia set up and run by an ordinary user with a home of their own, as on a fresh machine."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from tests.servers import SALVIA, Server

ROOT = Path(__file__).parents[2]
UID = 54321  # of nobody on this machine
_PYTHONS = ("python3", "python3.13", "python3.12", "python3.11")
_KEPT = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "SSL_CERT_FILE")


class Ordinary:
    """Somebody who is not root: UID when this process is root, else whoever runs it. `home` is theirs alone."""

    def __init__(self, top: Path) -> None:
        self.top, self.home = top, top / "home"
        self.prefix: Sequence[str] = ()
        if os.geteuid() == 0:
            # setpriv itself executes its command while it still may pass root's doors: env does not
            self.prefix = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env")
        top.chmod(0o755)
        self.folder(self.home)

    def folder(self, path: Path) -> Path:
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, UID, UID)
        return path

    @property
    def variables(self) -> dict[str, str]:
        """All that their commands know of the outside: where PyPI is, and how to trust it."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **kept}

    def run(self, *command: str, timeout: float = 600, check: bool = True) -> str:
        done = subprocess.run(
            [*self.prefix, *command],
            env=self.variables,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    @cached_property
    def python(self) -> str:
        """An interpreter that they can execute and Salvia runs on; "" when there is none."""
        fits = "import sys; print(sys.executable if (3, 11) <= sys.version_info[:2] <= (3, 13) else '')"
        for name in (sys.executable, *(f"/usr/bin/{name}" for name in _PYTHONS)):
            if os.path.exists(name) and (found := self.run(name, "-c", fits, check=False).strip()):
                return found
        return ""

    @cached_property
    def salvia(self) -> Path:
        """The command of a checkout of their own, set up by `make setup`."""
        if not self.prefix:
            return SALVIA
        checkout = self.folder(self.top / "salvia")
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, checkout / name)
        subprocess.run(["chown", "-R", f"{UID}:{UID}", str(checkout)], check=True)
        self.run("make", "-C", str(checkout), "setup", f"PYTHON={self.python}")
        return checkout / ".venv/bin/salvia"


class OrdinaryServer(Server):
    """A server that `user` started on a data folder in their home."""

    def __init__(self, user: Ordinary) -> None:
        super().__init__(user.folder(user.home / f"data-{len(os.listdir(user.home))}"))
        self.user = user

    def spawn(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.user.prefix, str(self.user.salvia), "up", *self.where()],
                stdout=output,
                stderr=output,
                env=self.user.variables,
                cwd=self.user.home,
                start_new_session=True,
            )

    def variables(self) -> dict[str, str]:
        told = json.loads(self.user.run(str(self.user.salvia), "env", "--format", "json", *self.where()))
        return {name: value for name, value in told.items() if value is not None}


@contextmanager
def ordinary_user() -> Iterator[Ordinary]:
    with tempfile.TemporaryDirectory(prefix="salvia-ordinary-") as top:
        yield Ordinary(Path(top))
