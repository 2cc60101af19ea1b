"""Image URIs taken apart: registry, repository, tag and digest."""

import re
from dataclasses import dataclass
from typing import Self

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)"
    r"\.(amazonaws\.com(\.cn)?|on\.aws|amazonwebservices\.com\.cn|amazonaws\.eu"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk)"
)
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "public.ecr.aws")


@dataclass(frozen=True, slots=True)
class ImageUri:
    """`account` and `region` are "" outside ECR; `registry` is "" for Docker Hub (and its copy in ECR Public).

    `tag` is "" when none was given.
    """

    repository: str
    tag: str = ""
    digest: str = ""
    registry: str = ""
    account: str = ""
    region: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        registry = first if slash and ("." in first or ":" in first or first == "localhost") else ""
        repository, _, tag = (rest if registry else name).partition(":")
        ecr = _ECR.fullmatch(registry)
        return cls(
            repository,
            tag,
            digest,
            "" if registry in _DOCKER_HUB else registry,
            ecr["account"] if ecr else "",
            ecr["region"] if ecr else "",
        )

    @property
    def is_known_registry(self) -> bool:
        """Whether what is in it is known by its name: AWS's own repositories, and Docker Hub's."""
        return bool(self.account) or not self.registry
