"""A user's requirements.txt beside the libraries that the image keeps: an old pin of one of those is not installed, and the log says so."""

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from salvia_container import log

_HOW = "To install it all the same, set PIP_CONSTRAINT to the empty string in the job's Environment."


def settle(file: Path, kept: Mapping[str, str]) -> None:
    """Rewrites `file` so that it asks for the versions in `kept` (package to version) where it asks for others."""
    lines = file.read_text(encoding="utf-8").splitlines()
    settled = [_settled(line, kept) for line in lines]
    if settled != lines:
        file.write_text("".join(f"{line}\n" for line in settled), encoding="utf-8")


def kept_versions(constraints: Path) -> dict[str, str]:
    """What the image keeps; nothing when the file is not there."""
    if not constraints.is_file():
        return {}
    pairs = (line.split("==") for line in constraints.read_text(encoding="utf-8").splitlines() if "==" in line)
    return {_plain(name): version for name, version in pairs}


def _settled(line: str, kept: Mapping[str, str]) -> str:
    try:
        asked = Requirement(line.partition(" #")[0].strip())
    except InvalidRequirement:  # an option, a comment, an address: pip's business
        return line
    version = kept.get(_plain(asked.name))
    if version is None or asked.url or asked.specifier.contains(version, prereleases=True):
        return line
    log.warning(f"requirements.txt asks for {asked}; this image keeps {asked.name} {version}. {_HOW}")
    return f"{asked.name}=={version}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
