"""CloudWatch metrics, as the platform itself writes and reads them. What clients see is services/cloudwatch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation; `timestamp` in seconds since the epoch."""

    name: str
    value: float
    timestamp: float
    dimensions: Mapping[str, str] = field(default_factory=dict)
    unit: str = "None"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric in a log: the first group of `regex` is the value."""

    name: str
    regex: str


class Metrics(Protocol):
    """Keeps samples by account, region and namespace."""

    async def put(self, account: str, region: str, namespace: str, samples: Sequence[Sample]) -> None: ...

    async def scrape(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        definitions: Sequence[MetricDefinition],
        namespace: str,
        dimensions: Mapping[str, str],
    ) -> list[Sample]:
        """Record every match in what the log stream gained since the last scrape, each exactly once, even across restarts.

        Returns the latest sample of each definition that ever matched (FinalMetricDataList).
        """
        ...
