"""A run's own virtual environment on top of its image's, so that `pip install` works and stays the run's own affair.

It begins empty. What the image has counts as installed; what pip installs comes before it on sys.path; and what is replaced
stays where it is, because to pip it is "outside environment".
"""

import os
import sys

from salvia_container.launch import root

_SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
SITE = f"{root.PACKAGES}/{_SITE}"
_OF_IMAGE = f"{root.ENVIRONMENT}/{_SITE}"
_PIP = "-m pip"
# Commands that install packages or start the user's script, by the run's own interpreter, which sees what was installed.
_COMMANDS = {
    "pip": _PIP,
    "pip3": _PIP,
    "torchrun": "-P -m salvia_container.script_mode.torchrun",
    "accelerate": f"{root.ENVIRONMENT}/bin/accelerate",
}


def prepare(folder: str) -> bool:
    """Makes `folder` what a run will see as root.PACKAGES. False when the image is the bare interpreter. May be repeated."""
    settings = f"{root.ENVIRONMENT}/pyvenv.cfg"
    if not os.path.exists(settings):
        return False
    for below in ("bin", _SITE):
        os.makedirs(f"{folder}/{below}", exist_ok=True)
    _write(f"{folder}/pyvenv.cfg", _read(settings))
    _write(f"{folder}/{_SITE}/environment.pth", f"import site; site.addsitedir({_OF_IMAGE!r})\n")
    python = os.readlink(f"{root.ENVIRONMENT}/bin/python")
    for name in ("python", "python3", os.path.basename(_SITE.split("/")[1])):
        if not os.path.lexists(f"{folder}/bin/{name}"):
            os.symlink(python, f"{folder}/bin/{name}")
    for name, program in _COMMANDS.items():
        if program == _PIP or os.path.exists(f"{root.ENVIRONMENT}/bin/{name}"):  # not the machine's pip, in any case
            _write(f"{folder}/bin/{name}", f'#!/bin/sh\nexec {root.PACKAGES}/bin/python {program} "$@"\n', 0o755)
    return True


def use() -> None:
    """Has this process, which was forked from a template of the image, see what the run installs, and start others that do."""
    if not os.path.isdir(SITE):
        return
    sys.executable = f"{root.PACKAGES}/bin/python"
    at = sys.path.index(_OF_IMAGE) if _OF_IMAGE in sys.path else len(sys.path)
    sys.path.insert(at, SITE)


def installed() -> bool:
    """Whether the run has installed anything."""
    return os.path.isdir(SITE) and len(os.listdir(SITE)) > 1


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, text: str, mode: int = 0o644) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    os.write(file, text.encode())
    os.close(file)
