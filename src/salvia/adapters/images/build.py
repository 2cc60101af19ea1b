"""Builds an environment of exactly locked packages, once, however many servers want it."""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path

import uv

import salvia_container
from salvia.adapters.images import no_gpu
from salvia.adapters.images.environment import CONSTRAINTS

CODE_PATH = "/opt/salvia"  # where a sandbox shows salvia_container and salvia_algorithms
# What `python -c` runs to become uv or a compiler, on a leash: a server that is killed must not leave one behind that goes
# on writing where the next one cleans up.
_LEASHED = """\
import os, sys
sys.path.insert(0, sys.argv[1])
from salvia_container.launch.kernel import die_with_parent
die_with_parent()
if os.getppid() == int(sys.argv[2]):
    os.execv(sys.argv[3], sys.argv[3:])
"""
_LAYOUT = "3"  # changes when environments are built differently from the same lock
_COMPLAINT = 1500  # characters of uv's complaint that are passed on
# AWS publishes these as sources only. Their one part in C would answer gethostname() with the name of the instance, which a
# sandbox does by itself; so they are built with a compiler that does nothing, since a user's machine may have none, and a
# module stands in for that part.
_FROM_SOURCE = ("sagemaker-training", "sagemaker-inference", "pyspark")
_NO_COMPILER = {"CC": "true", "CXX": "true", "LDSHARED": "true"}
# The toolkit has mpirun's processes load that part first, by its file's name: the stand-in's is of a library that they load anyway.
_STANDS_IN = {
    "gethostname.py": '"""Host names here are those of the instances already: there is nothing to load."""\n__file__ = "libc.so.6"\n'
}
# Commands of AWS's images that no package brings: the package that they belong to, their file and the module that does it.
_COMMANDS = (
    ("pyspark", "bin/smspark-submit", "salvia_container.spark"),
    ("openmpi", "bin/ssh", "salvia_container.ssh.client"),
    ("openmpi", "sbin/sshd", "salvia_container.ssh.server"),
)
# The launchers of MPI jobs ask with paramiko whether the other instances are there.
_ASKING = "\nfrom salvia_container.ssh import asking\n\nasking.use(SSHClient)\n"
# Instances share the cores of a machine: mpirun would bind the first process of each to the same one. UCX complains of what a sandbox hides.
_MPI_SETTINGS = "\nhwloc_base_binding_policy = none\nmpi_yield_when_idle = 1\nosc = ^ucx\n"
# Libraries that a user's requirements.txt does not replace: an old pin of one would fetch gigabytes, and break what depends on it.
_KEPT = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "torchvision",
    "tensorflow-cpu",
    "tensorflow",
    "xgboost-cpu",
    "xgboost",
)
# The same library under the name that other packages ask for.
_ALSO_KNOWN_AS = {"xgboost-cpu": "xgboost", "tensorflow-cpu": "tensorflow"}


class BuildError(RuntimeError):
    """The environment could not be built; the text says why and what to do."""


def lock_of(name: str) -> str:
    """The packages of the environment, as a requirements file with exact versions and hashes."""
    return (resources.files(__package__) / "environments" / f"{name}.txt").read_text(encoding="utf-8")


def compiled_of(name: str) -> list[str]:
    """The modules whose functions are compiled when the environment is built, so that no job waits for a compiler."""
    listed = resources.files(__package__) / "environments" / f"{name}.compiled"
    return listed.read_text(encoding="utf-8").split() if listed.is_file() else []


def packages_of(lock: str) -> list[str]:
    return [line.split()[0] for line in lock.splitlines() if "==" in line]


@functools.cache
def folder_name(name: str) -> str:
    """Says all that the content depends on: what is locked, and the interpreter that it was built with and needs."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    code = Path(_code_folder())
    sources = [(code / module.replace(".", "/")).with_suffix(".py").read_text() for module in compiled_of(name)]
    parts = (_LAYOUT, sys.version, sys.base_prefix, lock_of(name), *sources)
    return f"{name}-{python}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def build(name: str, environments: Path, say: Callable[[str], None]) -> Path:
    """The finished folder. Blocks; `say` hears what is being done. Raises BuildError.

    A folder under its final name is always whole: it is built under another name and renamed. Who dies in the middle
    leaves that other name behind, which the next builder throws away.
    """
    final = environments / folder_name(name)
    if final.is_dir():
        return final
    environments.mkdir(parents=True, exist_ok=True)
    with _only_one(environments / f".{final.name}.lock", say):
        if final.is_dir():
            return final
        for left in environments.glob(f".{final.name}.building-*"):
            shutil.rmtree(left, ignore_errors=True)
        building = environments / f".{final.name}.building-{uuid.uuid4().hex}"
        try:
            _fill(building, lock_of(name), say)
            _compile(building, compiled_of(name), say)
            building.rename(final)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return final


@contextlib.contextmanager
def _only_one(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another server that builds it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fill(folder: Path, lock: str, say: Callable[[str], None]) -> None:
    packages = packages_of(lock)
    say(f"installing {len(packages)} packages: {', '.join(packages)}")
    _uv("venv", "--quiet", "--relocatable", "--no-project", "--python", _interpreter(), str(folder))
    built, sources = _parted(lock)
    _install(folder, "requirements.txt", built, "--only-binary", ":all:")
    site = _site_packages(folder)
    if sources:
        # In this environment, whose setuptools the lock names; and past uv's cache, where others would find what was made.
        _install(folder, "sources.txt", sources, "--no-build-isolation", "--no-cache", **_NO_COMPILER)
        for name, text in _STANDS_IN.items():
            _write(site / name, text)
    names = {package.partition("==")[0] for package in packages}
    for package, command, module in _COMMANDS:
        if package in names:
            (folder / command).parent.mkdir(exist_ok=True)
            (folder / command).parent.chmod(0o755)
            _write(folder / command, f'#!/bin/sh\nexec python -m {module} "$@"\n', 0o755)
    if "openmpi" in names:
        _extend(site / "paramiko/__init__.py", _ASKING)
        _extend(folder / "etc/openmpi-mca-params.conf", _MPI_SETTINGS)
    if "torch" in names:
        no_gpu.free(site)
    for package, other in _ALSO_KNOWN_AS.items():
        _name_too(site, package, other)
    _write(folder / CONSTRAINTS, "".join(f"{line}\n" for line in _kept(site)))
    _write(site / "salvia.pth", f"{CODE_PATH}\n")
    (folder / "built.json").write_text(json.dumps({"python": sys.version, "packages": packages}))


def _kept(site: Path) -> list[str]:
    """The versions of _KEPT that are installed, under all their names."""
    found = sorted(path.name.removesuffix(".dist-info").rpartition("-") for path in site.glob("*.dist-info"))
    return [f"{name}=={version}" for name, _, version in found if name.replace("_", "-") in _KEPT]


def _name_too(site: Path, package: str, other: str) -> None:
    """Has what asks for `other` find that it is installed, when `package`, which is the same, is."""
    for found in site.glob(f"{package.replace('-', '_')}-*.dist-info"):
        version = found.name.removesuffix(".dist-info").rpartition("-")[2]
        folder = site / f"{other}-{version}.dist-info"
        folder.mkdir()
        folder.chmod(0o755)
        _write(folder / "METADATA", f"Metadata-Version: 2.1\nName: {other}\nVersion: {version}\n")
        _write(folder / "INSTALLER", "salvia\n")


def _extend(file: Path, text: str) -> None:
    whole = file.read_text(encoding="utf-8") + text
    file.unlink()  # it may be a link to uv's cache
    _write(file, whole)


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    """Readable by runs, which are other users, whatever the server's mask."""
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def _parted(lock: str) -> tuple[str, str]:
    """What has wheels, and what is built from sources; each a requirements file."""
    entries = re.split(r"\n(?=\S)", lock.strip())
    sources = [entry for entry in entries if entry.partition("==")[0] in _FROM_SOURCE]
    return "\n".join(entry for entry in entries if entry not in sources), "\n".join(sources)


def _install(folder: Path, name: str, requirements: str, *options: str, **variables: str) -> None:
    file = folder / name
    file.write_text(f"{requirements}\n", encoding="utf-8")
    fixed = ("--quiet", "--no-deps", "--require-hashes", "--compile-bytecode", "--python", str(folder / "bin/python"))
    _uv("pip", "install", *fixed, *options, "-r", str(file), **variables)


def _compile(folder: Path, modules: list[str], say: Callable[[str], None]) -> None:
    """Imports the modules once: they leave what they compiled in the folder."""
    if not modules:
        return
    say(f"compiling {', '.join(modules)}")
    code = f"import sys; sys.path.append({_code_folder()!r}); import {', '.join(modules)}"
    done = _run([str(folder / "bin/python"), "-I", "-c", code])
    if done.returncode:
        raise BuildError(f"compiling {', '.join(modules)}: {done.stderr.strip()[-_COMPLAINT:]}")


def uv_environment(outer: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: it downloads no Python, and trusts whom this machine trusts, such as a company's proxy."""
    chosen = {"UV_PYTHON_DOWNLOADS": "never"}
    if "UV_SYSTEM_CERTS" not in outer and _has_authorities():
        chosen["UV_SYSTEM_CERTS"] = "true"
    return {name: value for name, value in outer.items() if name != "VIRTUAL_ENV"} | chosen


def _has_authorities() -> bool:
    """Without any of the machine's own, uv must use those that it brings along."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile is not None or (paths.capath is not None and any(os.scandir(paths.capath)))


def _interpreter() -> str:
    """The server's own Python, outside any virtual environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _code_folder() -> str:
    return str(Path(salvia_container.__file__).parents[1])


def _site_packages(folder: Path) -> Path:
    return next(folder.glob("lib/python3.*/site-packages"))


def _uv(*arguments: str, **variables: str) -> None:
    # Not the user's uv.toml: it is about their projects. The environment counts: it names mirrors and proxies.
    command = [uv.find_uv_bin(), *arguments, "--no-config"]
    done = subprocess.run(
        [_interpreter(), "-I", "-S", "-c", _LEASHED, _code_folder(), str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=uv_environment(os.environ) | variables,
        umask=0o022,
        check=False,
    )
    if done.returncode:
        raise BuildError(
            f"{done.stderr.strip()[-_COMPLAINT:]} (the packages come from PyPI: is it reachable from this machine? "
            "UV_INDEX_URL names a mirror, HTTPS_PROXY a proxy)"
        )


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [_interpreter(), "-I", "-S", "-c", _LEASHED, _code_folder(), str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=uv_environment(os.environ),
        umask=0o022,
        check=False,
    )
