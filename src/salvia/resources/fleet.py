"""Which runs answer for an endpoint: kept in memory, written by whoever finds them healthy, read for every invocation.

Nothing here is stored and nothing here is the truth: a route is made from an endpoint's record, by whichever server is
asked. In the path of an invocation stands a dictionary and a choice, no table.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str, str]  # account, region, key of the endpoint; or "InferenceComponent/" and the component's
FORGOTTEN = 30.0  # seconds after which an asynchronous request that nobody looks at is another server's, or gone


@dataclass(slots=True, eq=False)
class Instance:
    """One instance of a variant: a run for each container, and how many requests it has now."""

    runs: tuple[str, ...]
    in_flight: int = 0


@dataclass(slots=True, eq=False)
class Variant:
    """The healthy instances of one variant in one deployment; while traffic shifts, two of them have the same name.

    `labels` are what the containers are called. `direct` containers are asked one by one, others as a pipeline.
    """

    name: str
    weight: float
    instances: list[Instance] = field(default_factory=list)
    labels: tuple[str, ...] = ("primary",)
    role: str = ""  # the ARN of the model's execution role
    direct: bool = False
    many_models: bool = False
    models: Mapping[str, Instance | str] = field(
        default_factory=dict
    )  # by TargetModel: its run, or why it cannot be had
    serverless: int = 0  # the most requests at once; 0: not serverless
    provisioned: int = 0  # ... of which so many have an instance that stays awake
    by_chance: bool = False  # RoutingStrategy RANDOM
    asleep: bool = False  # it has no instances, and gets one when it is asked for

    def pick(self) -> Instance | None:
        """The instance that has least to do."""
        instances = self.instances
        if len(instances) < 2:
            return instances[0] if instances else None
        if self.by_chance:
            return random.choice(instances)  # noqa: S311 - balance, not secrecy
        least = min(instances, key=_in_flight)
        instances.remove(least)  # so that idle instances take turns
        instances.append(least)
        return least


@dataclass(slots=True, eq=False)
class Route:
    """Where an endpoint's requests go. `name` is as the user typed it; `facts` is for who serves it (capture, async).

    An endpoint that hosts inference components has no variants of its own; each `component` has a route with that of its copies.
    """

    key: Key
    arn: str
    name: str
    variants: Sequence[Variant]
    shadows: Sequence[Variant] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    component: str = ""
    made_at: float = field(default_factory=time.monotonic)
    weights: Sequence[float] = field(init=False)  # cumulative

    def __post_init__(self) -> None:
        total, sums = 0.0, []
        for variant in self.variants:
            total += variant.weight
            sums.append(total)
        self.weights = sums

    def choose(self, target: str = "") -> Variant | None:
        """A variant by weight, or the one called `target`; None when there is none."""
        variants = self.variants
        if target:
            variants = [variant for variant in variants if variant.name == target]
            if len(variants) < 2:
                return variants[0] if variants else None
            return random.choices(variants, [variant.weight + 1e-9 for variant in variants])[0]  # noqa: S311
        if len(variants) == 1:
            return variants[0]
        if not variants:
            return None
        if not self.weights[-1]:
            return random.choice(variants)  # noqa: S311
        return random.choices(variants, cum_weights=self.weights)[0]  # noqa: S311


async def _nothing(_: Key) -> Route | None:
    return None


class Fleet:
    """The routes of this server. Use it from one event loop.

    `load` makes a route from its endpoint's record. `asked` is when a serverless variant was last asked for (by the
    world's clock), by which its instances come and go; `models` is the same for each model of a multi-model variant.
    `queues` are the asynchronous requests: by name, when each came and when it was last looked at.
    """

    def __init__(self) -> None:
        self.routes: dict[Key, Route] = {}
        self.load: Callable[[Key], Awaitable[Route | None]] = _nothing
        self.asked: dict[tuple[Key, str], float] = {}
        self.models: dict[tuple[Key, str], dict[str, float]] = {}
        self.queues: dict[Key, dict[str, tuple[float, float]]] = {}
        self.known: set[tuple[Key, str]] = set()  # multi-model variants whose runs this server has looked at
        self._nudged: dict[Key, float] = {}
        self._instances: dict[tuple[str, ...], Instance] = {}
        self._changed: asyncio.Event | None = None

    def fresh(self, key: Key, seconds: float) -> Route | None:
        """The route, if it is known how it was at most so many seconds ago."""
        route = self.routes.get(key)
        return route if route is not None and time.monotonic() - route.made_at < seconds else None

    async def find(self, key: Key, fresh: float) -> Route | None:
        """The route, as it was at most `fresh` seconds ago; another server may have changed it since."""
        route = self.fresh(key, fresh)
        if route is not None:
            return route
        route = self.routes.get(key)
        if route is not None:
            route.made_at = time.monotonic()  # who asks meanwhile need not load it too
        loaded = await self.load(key)
        if loaded is None:
            self.drop(key)
        else:
            self.put(loaded)
        return loaded

    def instance(self, runs: tuple[str, ...]) -> Instance:
        """Always the same object for the same runs, so that what is in flight is counted over changes of the route."""
        found = self._instances.get(runs)
        if found is None:
            found = self._instances[runs] = Instance(runs)
        return found

    def put(self, route: Route) -> None:
        self.routes[route.key] = route
        self._tell()

    def drop(self, key: Key) -> None:
        if self.routes.pop(key, None) is not None:
            self._tell()

    def forget(self, runs: tuple[str, ...]) -> None:
        self._instances.pop(runs, None)

    def in_flight(self, runs: tuple[str, ...]) -> int:
        found = self._instances.get(runs)
        return found.in_flight if found else 0

    def lose(self, instance: Instance) -> None:
        """It does not answer: nobody asks it until its endpoint's route is put again."""
        for route in self.routes.values():
            for variant in (*route.variants, *route.shadows):
                if instance in variant.instances:
                    variant.instances.remove(instance)

    def queued(self, key: Key, now: float) -> list[float]:
        """When the asynchronous requests came that wait or are being answered; what another server has taken over is forgotten."""
        queue = self.queues.get(key, {})
        for name in [name for name, (_, seen) in queue.items() if now - seen > FORGOTTEN]:
            del queue[name]
        return [came for came, _ in queue.values()]

    def may_nudge(self, key: Key, seconds: float) -> bool:
        """Whether the last time that this said yes for the endpoint is `seconds` ago: of many that wait, one calls for help."""
        now = time.monotonic()
        if now - self._nudged.get(key, -seconds) < seconds:
            return False
        self._nudged[key] = now
        return True

    async def change(self, seconds: float) -> None:
        """Returns after the next change of any route, or after `seconds`."""
        if self._changed is None:
            self._changed = asyncio.Event()
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def _in_flight(instance: Instance) -> int:
    return instance.in_flight
