"""Where a container that serves has its user's code: found, its requirements installed, and imported.

Source: AWS's inference toolkits: SAGEMAKER_PROGRAM, SAGEMAKER_SUBMIT_DIRECTORY, code/inference.py of the model.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from salvia_container import log
from salvia_container.failure import UserError
from salvia_container.launch import packages
from salvia_container.script_mode.requirements import kept_versions, settle
from salvia_container.script_mode.said import cause

_INSIDE = "code"  # the folder of a model that has its program
_PROGRAM = "inference.py"


def load(model: Path, code: Path) -> ModuleType | None:
    """The user's module; None when there is none and none was named. `code` is where it goes when it must be fetched.

    Raises UserError.
    """
    folder = _folder(model, code)
    named = os.environ.get("SAGEMAKER_PROGRAM", "")
    program = folder / (named or _PROGRAM)
    if not program.suffix:
        program = program.with_suffix(".py")
    if not program.is_file():
        if named:
            raise UserError(f"SAGEMAKER_PROGRAM {named} is not in {folder}")
        return None
    _install(folder / "requirements.txt")
    _load_libraries(model)
    for path in (folder / "lib", program.parent, folder):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    spec = importlib.util.spec_from_file_location(program.stem, program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = module
    spec.loader.exec_module(module)
    return module


def _folder(model: Path, code: Path) -> Path:
    submitted = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if submitted.startswith("s3://"):
        from sagemaker_training import files  # noqa: PLC0415 - only who fetches needs boto3

        from salvia_container.script_mode import aws_session  # noqa: PLC0415

        aws_session.use()
        code.mkdir(parents=True, exist_ok=True)
        files.download_and_extract(submitted, str(code))
        return code
    if submitted and Path(submitted).is_file():
        code.mkdir(parents=True, exist_ok=True)
        with tarfile.open(submitted) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none
            archive.extractall(code)  # noqa: S202 - into the sandbox that the archive belongs to
        return code
    return Path(submitted) if submitted and Path(submitted).is_dir() else model / _INSIDE


def _load_libraries(model: Path) -> None:
    """The handler of SDK v3's ModelBuilder copies shared_libs to /lib, which is read-only here: they are loaded, and hidden from it."""
    given, hidden = model / "shared_libs", model / ".shared_libs"
    if given.is_dir():
        with _alone(model), contextlib.suppress(FileNotFoundError):  # another worker was first
            given.rename(hidden)
    for library in sorted(hidden.glob("*")):
        try:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise UserError(f"shared_libs/{library.name} cannot be loaded: {error}") from error


def _install(requirements: Path) -> None:
    """Each worker process comes here; one installs, and the others wait until they find it done."""
    if not requirements.is_file():
        return
    own = Path(packages.SITE).parent / "requirements.txt"
    own = own if own.parent.is_dir() else requirements
    with _alone(own.parent):
        if not packages.installed():
            _install_as(own, requirements)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install_as(own: Path, requirements: Path) -> None:
    """`own` is a copy that may be written to."""
    log.info("Installing dependencies from requirements.txt")
    if own != requirements:
        own.write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")
    settle(own, kept_versions(Path(os.environ.get("PIP_CONSTRAINT", ""))))
    command = [sys.executable, "-m", "pip", "install", "-r", str(own)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, cwd=requirements.parent)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise UserError(f"InstallRequirementsError: {cause(done.stderr)}")
