"""A Python environment that runs can be started in."""

from dataclasses import dataclass
from pathlib import Path

CONSTRAINTS = "constraints.txt"  # in the folder: the versions that a run's `pip install` keeps


@dataclass(frozen=True, slots=True)
class Environment:
    """`name` is what Image.name says. `folder` is the virtual environment; None: the server's own interpreter, bare.

    A command `python -m MODULE` whose MODULE is in `modules` is not executed but forked from a process that has `preload`
    imported already; `package.*` there means a package and all its submodules.
    """

    name: str
    folder: Path | None = None
    modules: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
