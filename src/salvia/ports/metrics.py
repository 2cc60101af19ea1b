"""CloudWatch metrics, as the platform itself writes and reads them. What clients see is services/cloudwatch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


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
    """Keeps samples by account, region and namespace.

    Values that are not numbers (nan, infinities) are no samples: CloudWatch has none either.
    """

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


class Observation(NamedTuple):
    """`sample_count` values that sum up to `total` and lie between `low` and `high`, at one time; seconds since the epoch."""

    timestamp: float
    unit: str
    sample_count: float
    total: float
    low: float
    high: float


class MetricKey(NamedTuple):
    """A metric: its dimensions, sorted by name, belong to its identity."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


class MetricData(Protocol):
    """The same metrics as clients of CloudWatch put and ask for them: what `world.parts["metric_data"]` holds."""

    async def record(self, observations: Sequence[tuple[MetricKey, Observation]]) -> None:
        """All of them, or none when it raises."""
        ...

    async def observations(self, key: MetricKey, start: float, end: float) -> Sequence[Observation]:
        """In the order of time; `start` is included, `end` is not."""
        ...

    async def metrics(
        self,
        account: str,
        region: str,
        *,
        namespace: str = "",
        name: str = "",
        active_since: float = 0.0,
        after: int = 0,
        limit: int = 500,
    ) -> Sequence[tuple[int, MetricKey]]:
        """At most `limit` metrics with a number beyond `after`, in the order in which they were first seen."""
        ...
