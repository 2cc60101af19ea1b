"""What CloudWatch is told of invocations: counted in memory, written every few seconds. What was counted since is lost by a kill.

Source: "Amazon SageMaker endpoint invocation metrics" in the SageMaker documentation (namespace AWS/SageMaker).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log

from salvia.ports.metrics import MetricKey, Observation
from salvia.resources.fleet import Key
from salvia.resources.world import World
from salvia.services.sagemaker_runtime.loads import Loads

NAMESPACE = "AWS/SageMaker"
_LOOKS = 20  # at how much is in hand, from one writing to the next
_FINENESS = 20  # classes of latency for each factor of e: values in one differ by 5 % at most

_Latencies = dict[int, list[float]]  # class -> count, sum


@dataclass(slots=True)
class Tally:
    """The invocations of one variant or component since the last time they were written. Latencies in microseconds.

    `no_capacity` are those of a component without copies, which nobody could be asked.
    """

    invocations: int = 0
    client_errors: int = 0
    server_errors: int = 0
    model_errors: int = 0
    no_capacity: int = 0
    instances: int = 1
    model_latency: _Latencies = field(default_factory=dict)
    overhead: _Latencies = field(default_factory=dict)
    executions: dict[tuple[int, int, int], int] = field(default_factory=dict)  # as in `executes`; how many began so

    def count(self, model_seconds: float, whole_seconds: float, status: int, instances: int) -> None:
        """`status` is the container's; 0 when there was none."""
        self.invocations += 1
        self.instances = instances
        if status != 200:
            self.client_errors += 400 <= status < 500
            self.server_errors += status >= 500 or status == 0
            self.model_errors += status >= 400
        _add(self.model_latency, model_seconds * 1e6)
        _add(self.overhead, (whole_seconds - model_seconds) * 1e6)

    def executes(self, at_once: int, most: int, provisioned: int) -> None:
        """A request to a serverless variant begins: with it so many are under way, of its MaxConcurrency and ProvisionedConcurrency."""
        key = at_once, most, provisioned
        self.executions[key] = self.executions.get(key, 0) + 1

    def observations(self, now: float, share: str) -> Iterator[tuple[str, Observation]]:
        """`share` is what the invocations that each instance gets are called."""
        if self.no_capacity:
            n = float(self.no_capacity)
            yield "NoCapacityInvocationFailures", Observation(now, "None", n, n, 1.0, 1.0)
        for (at_once, most, provisioned), times in self.executions.items():
            for name, unit, value in _serverless(at_once, most, provisioned):
                yield name, Observation(now, unit, float(times), value * times, value, value)
        if not self.invocations:
            return
        n = float(self.invocations)
        yield "Invocations", Observation(now, "None", n, n, 1.0, 1.0)
        per_instance = 1.0 / max(1, self.instances)
        yield share, Observation(now, "None", n, n * per_instance, per_instance, per_instance)
        for name, errors in (
            ("Invocation4XXErrors", self.client_errors),
            ("Invocation5XXErrors", self.server_errors),
            ("InvocationModelErrors", self.model_errors),
        ):
            yield name, Observation(now, "None", n, float(errors), float(errors == n), float(errors > 0))
        for name, latencies in (("ModelLatency", self.model_latency), ("OverheadLatency", self.overhead)):
            for count, total in latencies.values():
                yield name, Observation(now, "Microseconds", count, total, total / count, total / count)


def _serverless(at_once: int, most: int, provisioned: int) -> Iterator[tuple[str, str, float]]:
    """Source: "Alarms and logs for tracking metrics from serverless endpoints" in the SageMaker documentation."""
    yield "ServerlessConcurrentExecutionsUtilization", "None", at_once / most
    if provisioned:
        spills = "Spillover" if at_once > provisioned else ""
        yield f"ServerlessProvisionedConcurrency{spills}Invocations", "Count", 1.0
        yield "ServerlessProvisionedConcurrencyExecutions", "Count", float(at_once)
        yield "ServerlessProvisionedConcurrencyUtilization", "None", at_once / provisioned


def _add(latencies: _Latencies, microseconds: float) -> None:
    kind = int(log(microseconds) * _FINENESS) if microseconds > 1.0 else 0
    found = latencies.get(kind)
    if found is None:
        latencies[kind] = [1.0, microseconds]
    else:
        found[0] += 1.0
        found[1] += microseconds


class Tallies:
    """The tallies of this server's endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[tuple[Key, str, str, str], Tally] = {}
        self._writing: asyncio.Task[None] | None = None
        self._closed = False
        self._loads = Loads(world.fleet)

    @classmethod
    def of(cls, world: World) -> "Tallies":
        found: Tallies | None = world.parts.get("tallies")
        if found is None:
            found = world.parts["tallies"] = cls(world)
        return found

    def find(self, key: Key, endpoint: str, variant: str, component: str = "") -> Tally:
        """`endpoint` and `component` are their names as the user typed them."""
        found = self._open.get((key, endpoint, variant, component))
        if found is None:
            found = self._open[key, endpoint, variant, component] = Tally()
            if self._writing is None and not self._closed:
                self._writing = asyncio.get_running_loop().create_task(self._write_later())
        return found

    async def write(self) -> None:
        now, tallies, self._open = self._world.clock.now(), self._open, {}
        rows = []
        for ((account, region, _), endpoint, variant, component), tally in tallies.items():
            whose: dict[str, tuple[tuple[str, str], ...]] = {
                "InvocationsPerInstance": (("EndpointName", endpoint), ("VariantName", variant))
            }
            if component:
                whose["InvocationsPerCopy"] = (("InferenceComponentName", component),)
            rows += [
                (MetricKey(account, region, NAMESPACE, name, dimensions), observation)
                for share, dimensions in whose.items()
                for name, observation in tally.observations(now, share)
            ]
        rows += self._loads.take(now)
        if rows:
            await self._world.parts["metric_data"].record(rows)

    async def close(self) -> None:
        """Write what is there. What is counted from then on is lost: the database may be closed."""
        self._closed = True
        if self._writing is not None:
            self._writing.cancel()
        await self.write()

    async def _write_later(self) -> None:
        """Until nothing more is counted, and nobody has anything in hand."""
        try:
            busy = True
            while busy or self._open:
                for _ in range(_LOOKS):
                    await asyncio.sleep(self._world.settings.metric_seconds / _LOOKS)
                    busy = self._loads.look()
                await self.write()
        finally:
            self._writing = None
