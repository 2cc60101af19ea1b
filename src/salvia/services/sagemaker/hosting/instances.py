"""The instances of a plan: launched, watched by /ping, restarted when they die, and removed when nobody asks them any more.

What is to be launched is recorded before it is launched, so that everything which may run is known by its name:
`status["_fleets"][generation][variant]["instances"][number]` holds an instance's attempt and what became of it.
"""

import asyncio
import hashlib
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from salvia.base.errors import ValidationError
from salvia.ports.compute import CannotLaunchError, Run
from salvia.ports.images import UnknownImageError
from salvia.ports.table import Record
from salvia.resources.machine import capped, whole
from salvia.resources.world import World
from salvia.services.sagemaker.hosting import many_models, rolling, setup_time
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting.plan import Variant
from salvia.services.sagemaker.runs import inference
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.model import ModelDataError

LOG_GROUPS = {"Endpoint": "/aws/sagemaker/Endpoints", "InferenceComponent": "/aws/sagemaker/InferenceComponents"}
TRIES = 2  # of an instance that never was healthy, before its deployment fails
PING_EVERY = 10.0  # seconds between looks at a healthy instance
PINGS_MISSED = 3  # in a row, while it has nothing to do, until it is restarted
GOOD_WHILE = 10.0  # seconds of health after which an end is a misfortune and not a habit
LONGEST_PAUSE = 60.0  # seconds between restarts of what ends again and again
CREDENTIAL_DAYS = 180
_SOONEST, _LATEST = 0.02, 0.5  # seconds between looks at what starts
_LAST_WORDS = 500
_T = TypeVar("_T")


@dataclass(slots=True)
class Found:
    """What a look at a plan's instances found. `failed` says why the plan cannot be deployed; `message` what it waits for.

    `recorded`: the record must be saved before anything is launched. `pending`: not all are healthy yet.
    """

    failed: str = ""
    message: str = ""
    recorded: bool = False
    pending: int = 0
    again: float = PING_EVERY

    def soon(self, seconds: float) -> None:
        self.again = min(self.again, max(seconds, _SOONEST))


@dataclass(slots=True)
class _Pings:
    at: float
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    """One instance's place in a plan, and the note that the record keeps of it."""

    endpoint: Record
    plan: Mapping[str, Any]
    variant: Variant
    number: str
    note: dict[str, Any]

    @property
    def runs(self) -> tuple[str, ...]:
        return run_names(self.endpoint, self.plan["generation"], self.variant, self.number, self.note["attempt"])

    @property
    def target(self) -> str:
        """The TargetModel of this run of a multi-model variant, else ""."""
        return str(self.note.get("target", ""))

    @property
    def containers(self) -> list[inference.Container]:
        if not self.target:
            return self.variant.containers
        return [many_models.container_of(container, self.target) for container in self.variant.containers]

    def stream(self, label: str) -> str:
        """AWS names a pipeline's streams by container too."""
        words = (
            f"{self.endpoint.arn}/{self.endpoint.created}/{self.plan['generation']}/{self.variant.name}/{self.number}"
        )
        machine = f"i-{hashlib.sha256(words.encode()).hexdigest()[:17]}"
        tail = f"/{label}" if len(self.variant.labels) > 1 else ""
        return f"{self.variant.name}/{machine}{tail}"


def log_group(endpoint: Record) -> str:
    return f"{LOG_GROUPS[endpoint.kind]}/{endpoint.name}"


def run_names(endpoint: Record, generation: int, variant: Variant, number: str, attempt: int) -> tuple[str, ...]:
    """One for each container, as a function of the record: its creation, the deployment, variant, instance and attempt."""
    kind = "endpoint" if endpoint.kind == "Endpoint" else "component"
    base = f"{endpoint.account}-{endpoint.region}-{kind}-{endpoint.key}-{int(endpoint.created * 1000):x}"
    name = f"{base}-{generation}-{variant.name}-{number}-{attempt}"
    return tuple(f"{name}-{container}" if container else name for container in range(len(variant.labels)))


def seats_of(endpoint: Record, plan: Mapping[str, Any]) -> Iterator[Seat]:
    """The instances that are on record for the plan."""
    fleet = endpoint.status.get("_fleets", {}).get(str(plan["generation"]), {})
    for variant in plans.variants_of(plan):
        for number, note in list(fleet.get(variant.name, {}).items()):
            yield Seat(endpoint, plan, variant, number, note)


def _all_seats(endpoint: Record) -> Iterator[Seat]:
    every = {plan["generation"]: plan for plan in (endpoint.status.get("_plan"), endpoint.spec["_wish"]) if plan}
    for plan in every.values():
        yield from seats_of(endpoint, plan)


class Instances:
    """Tends instances for the control loop: looks at once, never waits for anything to happen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.endpoints_of_runs: dict[str, tuple[str, str, str]] = {}  # run name -> account, region, key
        self._pings: dict[tuple[str, ...], _Pings] = {}

    async def tend(self, endpoint: Record, plan: Mapping[str, Any], *, deploying: bool) -> Found:
        """Bring what runs closer to what the plan wants. Idempotent."""
        found = Found()
        self._enrol(endpoint, plan, found)
        if found.recorded:
            return found
        if not await self._images_ready(plan, found):
            return found
        seats = [seat for seat in seats_of(endpoint, plan) if await self._is_awake(seat, deploying, found)]
        if found.recorded:
            return found
        states = [[await self.world.compute.find(run) for run in seat.runs] for seat in seats]
        missing = [seat for seat, runs in zip(seats, states, strict=True) if any(run is None for run in runs)]
        if missing and not await self._launch(endpoint, missing, found):
            return found
        for seat, runs in zip(seats, states, strict=True):
            if all(run is not None for run in runs):
                await self._observe(seat, [run for run in runs if run is not None], deploying, found)
            else:
                found.pending += 1
                found.soon(0)
        return found

    def leave(self, endpoint: Record, seats: list[Seat], wait: float = 0.0) -> None:
        """These are asked no more; `clear` removes them `wait` seconds later, when what they have in hand is done."""
        now = self.world.clock.now() + wait
        leaving = endpoint.status.setdefault("_leaving", [])
        fleets = endpoint.status["_fleets"]
        for seat in seats:
            streams = [seat.stream(label) for label in seat.variant.labels]
            leaving.append({"runs": list(seat.runs), "streams": streams, "since": now})
            fleets[str(seat.plan["generation"])][seat.variant.name].pop(seat.number, None)

    def release(self, endpoint: Record, *of: Mapping[str, Any]) -> None:
        """Let go of the instances of these plans that are more than are wanted."""
        seats = [seat for plan in of for seat in seats_of(endpoint, plan) if not seat.target]
        spare = [seat for seat in seats if int(seat.number) >= rolling.wanted_of(endpoint, seat.plan, seat.variant)]
        if spare:
            self.leave(endpoint, spare)

    async def clear(self, endpoint: Record) -> float | None:
        """Remove what left and has nothing in hand. Seconds until the next look, None when all are gone."""
        now, kept = self.world.clock.now(), []
        written = {seat.stream(label) for seat in _all_seats(endpoint) for label in seat.variant.labels}
        for one in endpoint.status.get("_leaving", ()):
            runs, age = tuple(one["runs"]), now - one["since"]
            busy = self.world.fleet.in_flight(runs) and age < self.world.settings.invocation_seconds + 10
            if busy or age < self.world.settings.route_seconds:
                kept.append(one)
                continue
            await self.remove(runs)
            for stream in one["streams"]:
                if stream not in written:
                    await self._close_log(endpoint, stream)
        if kept:
            endpoint.status["_leaving"] = kept
            return 0.2
        endpoint.status.pop("_leaving", None)
        return None

    async def remove(self, runs: tuple[str, ...]) -> None:
        for run in runs:
            self.world.serving.forget(run)
            self.endpoints_of_runs.pop(run, None)
        await asyncio.gather(*(self.world.compute.remove(run) for run in runs))
        self.world.fleet.forget(runs)
        self._pings.pop(runs, None)

    async def remove_all(self, endpoint: Record) -> None:
        """Every run that may be there, of every plan on record."""
        seats = list(_all_seats(endpoint))
        await asyncio.gather(*(self.remove(seat.runs) for seat in seats))
        await asyncio.gather(*(self.remove(tuple(one["runs"])) for one in endpoint.status.get("_leaving", ())))
        for seat in seats:
            for label in seat.variant.labels:
                await self._close_log(endpoint, seat.stream(label))

    # ------------------------------------------------------------- the smaller steps

    def _enrol(self, endpoint: Record, plan: Mapping[str, Any], found: Found) -> None:
        """Give a note to each instance that is wanted."""
        fleet = endpoint.status.setdefault("_fleets", {}).setdefault(str(plan["generation"]), {})
        leaving = {run for one in endpoint.status.get("_leaving", ()) for run in one["runs"]}
        for variant in plans.variants_of(plan):
            notes = fleet.setdefault(variant.name, {})
            if variant.many_models:
                found.recorded |= many_models.enrol(self.world, endpoint, variant, notes)
                continue
            for number in map(str, range(rolling.wanted_of(endpoint, plan, variant))):
                if number not in notes:
                    note = notes[number] = fresh_note(self.world.clock.now())
                    while leaving.intersection(Seat(endpoint, plan, variant, number, note).runs):
                        note["attempt"] += 1  # one of the same number has not gone yet
                    found.recorded = True

    async def _is_awake(self, seat: Seat, deploying: bool, found: Found) -> bool:
        """An instance of a serverless variant is there while it is asked for, and to show once that it can be."""
        if seat.target:
            return await self._is_loaded(seat, found)
        if not seat.variant.serverless or plans.provisioned_of(seat.endpoint, seat.plan, seat.variant):
            return True
        endpoint, now = seat.endpoint, self.world.clock.now()
        key = ((endpoint.account, endpoint.region, endpoint.key), seat.variant.name)
        if deploying or (seat.note["healthy"] and key not in self.world.fleet.asked):
            self.world.fleet.asked[key] = now
        left = self.world.fleet.asked.get(key, 0.0) + self.world.settings.serverless_idle_seconds - now
        if left > 0 or self.world.fleet.in_flight(seat.runs):
            found.soon(max(left, 1.0))
            return True
        if seat.note["healthy"]:
            gone = seat.runs
            seat.note.update(attempt=seat.note["attempt"] + 1, healthy=False, due=now)
            found.recorded = True
            await self.remove(gone)
        return False

    async def _is_loaded(self, seat: Seat, found: Found) -> bool:
        """Whether the run of a model stays; it goes when others are asked for more, and when it cannot be had."""
        if not many_models.may_go(self.world, seat.endpoint, seat.variant, seat.note, seat.runs):
            found.soon(PING_EVERY)
            return "failed" not in seat.note
        gone, fleets = seat.runs, seat.endpoint.status["_fleets"]
        del fleets[str(seat.plan["generation"])][seat.variant.name][seat.number]
        await self.remove(gone)
        found.recorded = True
        return False

    async def _images_ready(self, plan: Mapping[str, Any], found: Found) -> bool:
        for uri in {container["Image"] for variant in plans.variants_of(plan) for container in variant.containers}:
            try:
                readiness = await self.world.images.prepare(self.world.images.resolve(uri))
            except UnknownImageError as error:
                found.failed = f"ClientError: {error}"
                return False
            if readiness.error:
                found.failed = f"InternalServerError: {readiness.error}"
            if not readiness.ready:
                found.message, found.pending = readiness.message, 1
                found.soon(0.2)
                return False
        return True

    async def _launch(self, endpoint: Record, seats: list[Seat], found: Found) -> bool:
        """Whether the step may go on. Nothing is launched for a record that has changed since it was read.

        Its version says too much: every request that waits for an instance has the record looked at.
        """
        now = self.world.clock.now()
        due = [seat for seat in seats if seat.note["due"] <= now]
        found.pending += len(seats) - len(due)
        for seat in seats:
            found.soon(seat.note["due"] - now)
        if not due:
            return True
        for seat in due:
            seat.note["begun"] = now
        placed = await asyncio.gather(*(self._tried(seat, self._furnish(seat), found) for seat in due))
        latest = await self.world.table.get(endpoint.kind, endpoint.account, endpoint.region, endpoint.key)
        if latest is None or _mark(latest) != _mark(endpoint):
            found.pending, found.again = 1, 0.0
            return False
        starts = [(seat, linked) for seat, linked in zip(due, placed, strict=True) if linked is not None]
        await asyncio.gather(*(self._tried(seat, self._start(seat, linked), found) for seat, linked in starts))
        if found.failed:
            found.pending, found.again = 1, LONGEST_PAUSE / 10
        return not found.failed

    async def _tried(self, seat: Seat, work: Coroutine[Any, Any, _T], found: Found) -> _T | None:
        """What `work` returns; None when it cannot be done, which fails the plan, or the one model of many."""
        try:
            return await work
        except ModelDataError as error:
            why = str(error)
        except ValidationError as error:  # the role was changed or deleted since the model was made
            why = f"ClientError: {error}"
        except CannotLaunchError as error:
            why = f"InternalServerError: {error}"
        if seat.target:
            many_models.fail(seat.note, why, self.world.clock.now())
        else:
            found.failed = why
        return None

    async def _furnish(self, seat: Seat) -> list[tuple[str, ...]]:
        endpoint, variant = seat.endpoint, seat.variant
        access = await Access.of(self.world, plans.role_of(variant), endpoint.account, endpoint.region)
        return [
            await inference.furnish(self.world, endpoint, container, access, run, label)
            for container, run, label in zip(seat.containers, seat.runs, variant.labels, strict=True)
        ]

    async def _start(self, seat: Seat, linked: list[tuple[str, ...]]) -> None:
        endpoint, variant = seat.endpoint, seat.variant
        isolated = plans.isolated(seat.plan, variant)
        credential = None
        if not isolated:
            access = await Access.of(self.world, plans.role_of(variant), endpoint.account, endpoint.region)
            credential = await self.world.credentials.issue(access.role, CREDENTIAL_DAYS * 86_400)
        for number, (run, label) in enumerate(zip(seat.runs, variant.labels, strict=True)):
            self.endpoints_of_runs[run] = (endpoint.account, endpoint.region, endpoint.key)
            container = seat.containers[number]
            serving = inference.Serving(
                record=endpoint,
                container=container,
                image=self.world.images.resolve(container["Image"]),
                name=run,
                label=label,
                log=await self.world.logs.open_file(
                    endpoint.account, endpoint.region, log_group(endpoint), seat.stream(label)
                ),
                share=capped(variant.share, whole(self.world)),
                credential=credential,
                isolated=isolated,
            )
            await self.world.compute.launch(inference.run_of(self.world, serving, linked[number]))

    async def _observe(self, seat: Seat, runs: list[Run], deploying: bool, found: Found) -> None:
        for run in runs:
            self.endpoints_of_runs[run.name] = (seat.endpoint.account, seat.endpoint.region, seat.endpoint.key)
        ended = next((run for run in runs if run.exit_code is not None), None)
        if ended is not None:
            why = await self._last_words(seat, runs.index(ended), ended)
            await self._restart(seat, runs, why, deploying and ended.cause != "Lost", found)
            return
        if seat.note["healthy"]:
            await self._watch(seat, runs, found)
            return
        if all(await asyncio.gather(*(self.world.serving.ping(run.name) for run in runs))):
            seat.note.update(healthy=True, since=self.world.clock.now())
            await setup_time.tell(self.world, seat.endpoint, seat.variant, seat.note)
            self._pings[seat.runs] = _Pings(self.world.clock.now())
            return
        age = self.world.clock.now() - min(run.started for run in runs)
        found.pending += 1
        found.soon(min(_LATEST, age / 20))
        if age > seat.variant.startup_seconds:
            await self._restart(seat, runs, "", deploying, found, TRIES)

    async def _watch(self, seat: Seat, runs: list[Run], found: Found) -> None:
        """A healthy instance is asked now and then; one that is busy may have no time to answer."""
        now = self.world.clock.now()
        pings = self._pings.setdefault(seat.runs, _Pings(now - PING_EVERY))
        if now - pings.at < PING_EVERY:
            found.soon(pings.at + PING_EVERY - now)
            return
        pings.at = now
        well = all(await asyncio.gather(*(self.world.serving.ping(run.name) for run in runs)))
        pings.missed = 0 if well or self.world.fleet.in_flight(seat.runs) else pings.missed + 1
        if pings.missed >= PINGS_MISSED:
            await self._restart(seat, runs, "it no longer answers /ping", False, found)

    async def _restart(
        self, seat: Seat, runs: list[Run], why: str, counts: bool, found: Found, weight: int = 1
    ) -> None:
        """Note the next attempt, with a pause that grows while attempts fail, and free the last one."""
        note, now = seat.note, self.world.clock.now()
        if note["healthy"] and now - note.get("since", now) > GOOD_WHILE:
            note["failures"] = 0
        note["failures"] += weight
        if seat.target and not note["healthy"] and note["failures"] >= TRIES:
            many_models.fail(note, _unhealthy(seat, why), now)
            await self.remove(seat.runs)
            return
        if counts and not note["healthy"] and note["failures"] >= TRIES:
            found.failed = _unhealthy(seat, why)
            return
        gone = seat.runs
        pause = 0.0 if note["failures"] <= 1 else min(LONGEST_PAUSE, 0.5 * 2.0 ** (note["failures"] - 2))
        note |= {"attempt": note["attempt"] + 1, "healthy": False, "due": now + pause}
        found.pending += 1
        found.soon(pause)
        await self.remove(gone)

    async def _last_words(self, seat: Seat, number: int, run: Run) -> str:
        endpoint = seat.endpoint
        tail = await self.world.logs.tail(
            endpoint.account, endpoint.region, log_group(endpoint), seat.stream(seat.variant.labels[number]), 4096
        )
        lines = [line for line in tail.splitlines() if line.strip()]
        code = run.exit_code or 0
        ended = (
            "it ran out of memory"
            if run.cause == "OutOfMemory"
            else f"it ended with exit code {code if code >= 0 else 128 - code}"
        )
        return f"{ended}; its last words: {lines[-1][-_LAST_WORDS:]}" if lines else ended

    async def _close_log(self, endpoint: Record, stream: str) -> None:
        with suppress(LookupError):
            await self.world.logs.close_file(endpoint.account, endpoint.region, log_group(endpoint), stream)


def fresh_note(now: float) -> dict[str, Any]:
    """What is known of an instance that has not been started yet."""
    return {"attempt": 0, "failures": 0, "healthy": False, "due": now}


def _mark(endpoint: Record) -> tuple[float, float, str]:
    return endpoint.created, endpoint.modified, endpoint.wanted


def _unhealthy(seat: Seat, why: str) -> str:
    label = seat.variant.labels[0] if len(seat.variant.labels) == 1 else "/".join(seat.variant.labels)
    said = f" The container says: {why}" if why else ""
    return (
        f"The {label} container for production variant {seat.variant.name} did not pass the ping health check. "
        f"Please check CloudWatch logs for this endpoint.{said}"
    )
