"""What CloudWatch is told of an asynchronous endpoint's queue, whether anything waits in it or not.

Source: "Monitor asynchronous endpoint" in the SageMaker documentation (namespace AWS/SageMaker, by EndpointName).
"""

from collections.abc import Iterator

from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.table import Record
from salvia.resources.fleet import Key
from salvia.resources.world import World
from salvia.services.sagemaker.hosting.instances import PING_EVERY, seats_of

NAMESPACE = "AWS/SageMaker"


class Backlogs:
    """Tells for the control loop, each time that it looks at a healthy endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[Key, float] = {}

    async def tell(self, endpoint: Record) -> None:
        """Returns at once for an endpoint that is not asynchronous or was told of a moment ago."""
        plan = endpoint.status.get("_plan")
        if plan is None or not plan["config"].get("AsyncInferenceConfig"):
            return
        key, now = (endpoint.account, endpoint.region, endpoint.key), self._world.clock.now()
        if now - self._told.get(key, 0.0) < PING_EVERY / 2:
            return
        self._told[key] = now
        instances = sum(1 for seat in seats_of(endpoint, plan) if seat.note["healthy"])
        dimensions = (("EndpointName", endpoint.name),)
        await self._world.parts["metric_data"].record(
            [
                (
                    MetricKey(endpoint.account, endpoint.region, NAMESPACE, name, dimensions),
                    Observation(now, unit, 1.0, value, value, value),
                )
                for name, unit, value in _values(self._world.fleet.queued(key, now), instances, now)
            ]
        )


def _values(queued: list[float], instances: int, now: float) -> Iterator[tuple[str, str, float]]:
    """`queued` is when each request came."""
    size = float(len(queued))
    yield "ApproximateBacklogSize", "Count", size
    if instances:
        yield "ApproximateBacklogSizePerInstance", "Count", size / instances
    yield "HasBacklogWithoutCapacity", "Count", float(bool(queued) and not instances)
    if queued:
        yield "ApproximateAgeOfOldestRequest", "Seconds", now - min(queued)
