"""Amazon Resource Names: the only place that takes one apart or puts one together."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Arn:
    """arn:partition:service:region:account:resource"""

    service: str
    region: str
    account: str
    resource: str
    partition: str = "aws"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError when `text` is not an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            raise ValueError(f"{text!r} is not an ARN")
        _, partition, service, region, account, resource = parts
        return cls(service, region, account, resource, partition)

    @property
    def name(self) -> str:
        """What stands after the last slash or colon of the resource: usually what the user typed."""
        return self.resource.replace(":", "/").rpartition("/")[2]

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def partition_of(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and region a resource belongs to."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        return str(Arn(service, self.region, self.account, resource, partition_of(self.region)))
