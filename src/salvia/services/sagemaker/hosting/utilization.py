"""What CloudWatch is told of an endpoint's instances every minute: how much of their processors and of their memory they use.

Source: "SageMaker AI endpoint metrics" in the SageMaker documentation (namespace /aws/sagemaker/Endpoints).
"""

from collections.abc import Iterable

from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.table import Record
from salvia.ports.usage import Used
from salvia.resources.fleet import Key
from salvia.resources.machine import capped, whole
from salvia.resources.world import World
from salvia.services.sagemaker.hosting.instances import Seat, seats_of
from salvia.services.sagemaker.hosting.plan import Variant

NAMESPACE = "/aws/sagemaker/Endpoints"
_Runs = tuple[str, ...]  # of one instance


class Utilizations:
    """Tells for the control loop. What a processor has done is known from the second look at an instance on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[Key, tuple[float, dict[_Runs, float]]] = {}  # when, and by instance its CPU seconds till then

    async def tell(self, endpoint: Record) -> None:
        """Returns at once for an endpoint that was told of within the last minute, or that serves nothing yet."""
        key, now = (endpoint.account, endpoint.region, endpoint.key), self._world.clock.now()
        plan, (last, before) = endpoint.status.get("_plan"), self._seen.get(key, (0.0, {}))
        if plan is None or now - last < self._world.settings.alarm_minute_seconds:
            return
        seen: dict[_Runs, float] = {}
        rows = []
        seats = [seat for seat in seats_of(endpoint, plan) if seat.note.get("healthy")]
        for variant, instances in _instances(seats).values():
            dimensions = (("EndpointName", endpoint.name), ("VariantName", variant.name))
            for runs in instances:
                used = await self._used(runs)
                if used is None:
                    continue
                seen[runs] = used.cpu
                values = {"MemoryUtilization": used.memory / capped(variant.share, whole(self._world)).memory}
                if runs in before:
                    values["CPUUtilization"] = max(0.0, used.cpu - before[runs]) / (now - last)
                for name, part in values.items():
                    metric = MetricKey(endpoint.account, endpoint.region, NAMESPACE, name, dimensions)
                    rows.append((metric, Observation(now, "Percent", 1.0, *[100.0 * part] * 3)))
        self._seen[key] = now, seen
        if rows:
            await self._world.parts["metric_data"].record(rows)

    async def _used(self, runs: _Runs) -> Used | None:
        """By all of them together; None when one cannot be seen."""
        found = [await self._world.parts["usage"].of(run) for run in runs]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        return Used(sum(one.cpu for one in known), sum(one.memory for one in known))


def _instances(seats: Iterable[Seat]) -> dict[str, tuple[Variant, list[_Runs]]]:
    """The runs of each instance, by variant; those of many models are one instance together."""
    found: dict[str, tuple[Variant, list[_Runs]]] = {}
    for seat in seats:
        _, instances = found.setdefault(seat.variant.name, (seat.variant, []))
        if seat.target and instances:
            instances[0] += seat.runs
        else:
            instances.append(seat.runs)
    return found
