"""Packages that a template has imported otherwise than a program expects: a user's script gets them anew."""

import sys

_packages: set[str] = set()


def add(package: str) -> None:
    _packages.add(package)


def forget() -> None:
    """Call it before user code imports anything."""
    for name in [name for name in sys.modules if name.partition(".")[0] in _packages]:
        del sys.modules[name]
    _packages.clear()
