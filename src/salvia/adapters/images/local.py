"""Images as Python environments of this machine."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from salvia.adapters.images import build, table
from salvia.adapters.images.environment import Environment
from salvia.base.text import without_paths
from salvia.ports.images import Image, Readiness

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0  # how long a failure is the answer before the next asker has it tried again


@dataclass(slots=True)
class _Building:
    began: float
    message: str = "starting"
    error: str = ""
    failed: float = 0.0

    def is_stale(self) -> bool:
        return bool(self.error) and time.monotonic() - self.failed > RETRY_SECONDS


class LocalImages:
    """Resolves AWS's image URIs to environments in the folder `environments`, which servers may share."""

    def __init__(self, environments: Path) -> None:
        self._environments = environments
        self._table = table.Images.read()
        self._ready: set[str] = set()
        self._buildings: dict[str, _Building] = {}
        self._on_ready: list[Callable[[str], None]] = []

    def knows(self, uri: str) -> bool:
        """Whether it is one of AWS's own images, runnable or not."""
        return self._table.knows(uri)

    def resolve(self, uri: str) -> Image:
        row, parsed = self._table.find(uri)
        asked = row.version_asked(parsed)
        return Image(
            uri=uri,
            name=build.folder_name(row.environment),
            entry_points=row.entry_points,
            variables=row.variables,
            algorithm=row.algorithm,
            version=row.runs,
            note=_note(parsed.repository, asked, row.runs),
            sdks={major: build.folder_name(environment) for major, environment in row.sdks.items()},
        )

    async def prepare(self, image: Image) -> Readiness:
        if image.name in self._ready or (self._environments / image.name).is_dir():
            self._ready.add(image.name)
            for call in self._on_ready:
                call(image.name)
            return Readiness(ready=True)
        building = self._buildings.get(image.name)
        if building is None or building.is_stale():
            building = self._buildings[image.name] = self._begin(image.name)
        what = f"the {_environment_of(image.name)} environment"
        if building.error:
            return Readiness(ready=False, error=f"building {what} failed: {building.error}")
        seconds = time.monotonic() - building.began
        return Readiness(ready=False, message=f"building {what}: {building.message} ({seconds:.0f} s)")

    def find_environment(self, name: str) -> Environment:
        """What `prepare` has made. Raises LookupError for a name that `resolve` would not give now."""
        short = _environment_of(name)
        recipe = self._table.recipes.get(short)
        if recipe is None or build.folder_name(short) != name:
            raise LookupError(f"there is no environment {name!r}")
        return Environment(name, self._environments / name, recipe.modules, recipe.preload)

    def on_ready(self, call: Callable[[str], None]) -> None:
        """`call` is called with the name of an environment whenever a job has asked for it and it is ready."""
        self._on_ready.append(call)

    def _begin(self, name: str) -> _Building:
        building = _Building(time.monotonic())
        # A daemon: a server that is told to end does not wait for downloads; what is half built is thrown away later.
        threading.Thread(target=self._build, args=(name, building), name=f"build {name}", daemon=True).start()
        return building

    def _build(self, name: str, building: _Building) -> None:
        def say(message: str) -> None:
            building.message = message

        try:
            build.build(_environment_of(name), self._environments, say)
        except (build.BuildError, OSError) as error:
            log.warning("building %s failed: %s", name, error)
            building.failed = time.monotonic()
            building.error = without_paths(str(error))
        else:
            self._ready.add(name)


def _environment_of(name: str) -> str:
    return name.rsplit("-", 2)[0]


def _note(repository: str, asked: str, runs: str) -> str:
    same = f"{runs}.".startswith(f"{asked.replace('-', '.')}.")
    return "" if same or not asked else f"{repository} {asked} asked, {runs} runs"
