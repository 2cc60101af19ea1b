"""The table of images: which environment stands for an image, and as which version."""

import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Self

from salvia.adapters.images.uri import ImageUri
from salvia.ports.images import UnknownImageError


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    repository: re.Pattern[str]
    tag: re.Pattern[str]
    exists: str
    environment: str
    runs: str
    algorithm: str = ""
    entry_points: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    sdks: Mapping[str, str] = field(default_factory=dict)

    def version_asked(self, uri: ImageUri) -> str:
        """Empty when none was named. Raises UnknownImageError for a tag that does not exist."""
        matched = self.tag.fullmatch(uri.tag or "latest")
        if matched is None and uri.tag:
            raise UnknownImageError(
                f"there is no tag {uri.tag!r} of the image {uri.repository!r}. Tags that exist: {self.exists}"
            )
        version = matched.groupdict().get("version") if matched else None
        return version if version and version != "latest" else ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an environment is used; what is in it says its lock."""

    modules: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Images:
    rows: tuple[Row, ...]
    recipes: Mapping[str, Recipe]
    refused: tuple[tuple[re.Pattern[str], str], ...] = ()  # repositories that are known not to run, and why

    @classmethod
    def read(cls) -> Self:
        """The table that comes with the package."""
        text = (resources.files(__package__) / "images.toml").read_text(encoding="utf-8")
        document = tomllib.loads(text)
        recipes = {name: _recipe(values) for name, values in document["environment"].items()}
        refused = tuple((re.compile(values["repository"]), values["why"]) for values in document.get("refused", ()))
        return cls(tuple(_row(values) for values in document["image"]), recipes, refused)

    def knows(self, text: str) -> bool:
        """Whether the repository is one that AWS publishes: what becomes of it is for `find` to say."""
        uri = ImageUri.parse(text)
        names = [row.repository for row in self.rows] + [repository for repository, _ in self.refused]
        return uri.is_known_registry and any(name.fullmatch(uri.repository) for name in names)

    def find(self, text: str) -> tuple[Row, ImageUri]:
        """Raises UnknownImageError, in words for a FailureReason."""
        uri = ImageUri.parse(text)
        if uri.is_known_registry:
            for row in self.rows:
                if row.repository.fullmatch(uri.repository):
                    return row, uri
            for repository, why in self.refused:
                if repository.fullmatch(uri.repository):
                    raise UnknownImageError(f"the image {text!r} cannot run here: {why}")
        known = [row.name for row in self.rows]
        raise UnknownImageError(
            f"no environment on this server can run the image {text!r}. Images that can run here: {', '.join(known)} "
            "(of any AWS region and account). Use one of these, or let the server use Docker or Podman (container_socket)."
        )


def _row(values: Mapping[str, Any]) -> Row:
    return Row(
        name=values["name"],
        repository=re.compile(values["repository"]),
        tag=re.compile(values["tag"]),
        exists=values["exists"],
        environment=values["environment"],
        runs=values["runs"].format(python=platform.python_version()),
        algorithm=values.get("algorithm", ""),
        entry_points={name: tuple(command) for name, command in values.get("entry_points", {}).items()},
        variables=values.get("variables", {}),
        sdks=values.get("sdks", {}),
    )


def _recipe(values: Mapping[str, Any]) -> Recipe:
    return Recipe(tuple(values.get("modules", ())), tuple(values.get("preload", ())))
