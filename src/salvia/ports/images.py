"""What an image URI means here: an environment that can run it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Image:
    """`name` identifies the environment to a Compute; `entry_points` gives the command for "train", "serve", "process".

    `version` is what runs; `note` says so in words where something else was asked, else it is "".
    `sdks` names the environments that stand for it when a function of the SageMaker SDK's @remote runs, by the SDK's major version: "2", "3".
    `algorithm` is the built-in algorithm's package in salvia_algorithms ("xgboost"), "" for an image that only runs what it is told.
    """

    uri: str
    name: str
    entry_points: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = ""
    version: str = ""
    note: str = ""
    sdks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready`, or still being prepared (`message` says how far), or `error` says why it never will be."""

    ready: bool
    message: str = ""
    error: str = ""


class UnknownImageError(LookupError):
    """Nothing here can run the image; the text says what to do about it, in words for a FailureReason."""


class Images(Protocol):
    """Resolves and prepares images. `prepare` starts the work once and returns at once; ask again until it is ready."""

    def resolve(self, uri: str) -> Image:
        """Raises UnknownImageError."""
        ...

    async def prepare(self, image: Image) -> Readiness: ...
