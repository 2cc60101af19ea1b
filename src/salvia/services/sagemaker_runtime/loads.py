"""How many requests an instance has at once, queued ones and streams that go on included: looked at many times a period.

Source: "Define a scaling policy" (high-resolution predefined metrics) in the SageMaker documentation.
"""

from collections.abc import Iterator

from salvia.ports.metrics import MetricKey, Observation
from salvia.resources.fleet import Fleet, Instance, Key

_Whose = tuple[Key, str, str, str]  # the route's key, and the names of its endpoint, its variant and its component


class Loads:
    """What this server has in hand, from look to look."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._seen: dict[_Whose, list[float]] = {}

    def look(self) -> bool:
        """Whether anybody has anything in hand."""
        busy = False
        for route in self._fleet.routes.values():
            instances: dict[str, set[Instance]] = {}
            for variant in route.variants:  # two of one name while traffic shifts
                instances.setdefault(variant.name, set()).update(variant.instances)
            for name, those in instances.items():
                at_once = sum(instance.in_flight for instance in those)
                busy = busy or at_once > 0
                seen = self._seen.setdefault((route.key, route.name, name, route.component), [])
                seen.append(at_once / max(1, len(those)))
        return busy

    def take(self, now: float) -> Iterator[tuple[MetricKey, Observation]]:
        """What was seen since the last time, of those who had anything in hand."""
        seen, self._seen = self._seen, {}
        for ((account, region, _), endpoint, variant, component), values in seen.items():
            if not any(values):
                continue
            dimensions: tuple[tuple[str, str], ...] = (("EndpointName", endpoint), ("VariantName", variant))
            name = "ConcurrentRequestsPerModel"
            if component:
                name, dimensions = "ConcurrentRequestsPerCopy", (("InferenceComponentName", component),)
            key = MetricKey(account, region, "AWS/SageMaker", name, dimensions)
            yield key, Observation(now, "Count", float(len(values)), sum(values), min(values), max(values))
