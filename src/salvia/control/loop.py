"""Bring every due record one step closer to what was asked. A crash costs one step, never a job.

Every record is looked at when it is due; its kind's `reconcile` observes the world and moves one step, and what it found
is saved with when to look again. A wake-up carries no information: it only says "look now", so losing one costs a poll.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import orjson

from salvia.base.clock import Clock
from salvia.control.backoff import Backoff
from salvia.ports.table import Leases, Record

log = logging.getLogger(__name__)

LEASE = 10.0  # seconds; a server that died without a word is succeeded this much later by another
POLL = 0.25  # seconds; how soon a wish is seen that another server wrote
GRACE = 10.0  # seconds that steps in progress get to finish at a stop
MOST_STEPS = 64  # at once
_FINEST = 0.001  # seconds that a timer can tell apart
HOPELESS = 10  # failures in a row, some minutes, after which an error that no time can heal is final
NEVER_HEAL = (TypeError, ValueError, LookupError, AttributeError, AssertionError, ArithmeticError, NotImplementedError)

_Key = tuple[str, str, str, str]


class Reconciler(Protocol):
    """One kind's behaviour. `record` may be changed freely; only its `status` and `state` are kept.

    Returns in how many seconds to look again, None when there is nothing left to do. It must be safe to call again when
    what it did was not recorded. It does not sleep.
    """

    async def reconcile(self, record: Record) -> float | None: ...

    def let_fail(self, record: Record, reason: str) -> bool:
        """Let the record fail for an error of the server's own. False when it has no failed state, or is settled."""
        ...


class Loop:
    """Reconciles the due records of `kinds`, each by one worker at a time.

    `worker` names this server among those that share the table; one that starts again under the same name takes up at
    once what its former life had leased. Kinds that are not in `kinds` are left to servers that know them. `changed` is told of
    every record that has come to another state, when that is saved: who owns it may have something to do now.
    """

    def __init__(
        self,
        table: Leases,
        kinds: Mapping[str, Reconciler],
        clock: Clock,
        worker: str,
        backoff: Backoff | None = None,
        changed: Callable[[Record], None] | None = None,
    ) -> None:
        self._table, self._kinds, self._clock, self._worker = table, kinds, clock, worker
        self._backoff = backoff or Backoff()
        self._changed = changed
        self._bell = asyncio.Event()
        self._stopping = False
        self._steps: dict[_Key, asyncio.Task[None]] = {}
        self._leased: dict[_Key, Record] = {}
        self._unrecorded: dict[_Key, tuple[Record, float]] = {}  # and when to look again
        self._unknown: set[str] = set()
        self._table_backoff = Backoff(POLL, 5.0)

    def wake(self) -> None:
        """Look now. May be called from the loop's own thread as often as one likes."""
        self._bell.set()

    def stop(self) -> None:
        """Start no further step. `run` returns when those in progress have finished."""
        self._stopping = True
        self._bell.set()

    async def run(self) -> None:
        """Returns after `stop`. When cancelled, it gives steps in progress no time."""
        grace = 0.0
        renewing = asyncio.create_task(self._forever(LEASE / 3, self._renew))
        try:
            await self._guarded("abandon", self._table.abandon(self._worker))
            while not self._stopping:
                self._bell.clear()
                await self._rest(await self._look())
            grace = GRACE
        finally:
            await self._finish(grace)
            renewing.cancel()
            await self._guarded("abandon", self._table.abandon(self._worker))

    async def _look(self) -> float:
        """Start a step for each record that is due. Returns the longest time to rest, in seconds."""
        room = MOST_STEPS - len(self._steps)
        if room <= 0:
            return POLL
        now = self._clock.now()
        claim = self._table.claim(now, self._worker, now + LEASE, room, self._unknown)
        records = await self._guarded("claim", claim)
        if records is None:
            return self._table_backoff.failed("claim")
        self._table_backoff.succeeded("claim")
        for record in records:
            await self._start(record)
        await self._give_back()
        return POLL

    async def _start(self, record: Record) -> None:
        key = record.kind, record.account, record.region, record.key
        if record.kind not in self._kinds:
            self._unknown.add(record.kind)
            log.warning("%s is left alone: nothing here knows the kind %s", record.arn, record.kind)
            await self._guarded("release", self._table.release(record, self._worker, record.due))
            self.wake()
            return
        if key in self._steps:  # its lease ran out under a step that still goes on: one at a time
            return
        self._leased[key] = record
        self._steps[key] = asyncio.create_task(self._step(key, record))

    async def _step(self, key: _Key, record: Record) -> None:
        try:
            await self._reconcile(key, record)
        except Exception:
            # Not even the failure could be recorded: the lease is given back when the table answers again.
            log.exception("%s: its step was not recorded", record.arn)
            self._unrecorded[key] = record, self._promise(self._backoff.failed(key))
        finally:
            del self._steps[key], self._leased[key]
            self.wake()  # there is room for another, and this one may be due again

    async def _reconcile(self, key: _Key, record: Record) -> None:
        before = record.state, orjson.dumps(record.status)
        try:
            after = await self._kinds[record.kind].reconcile(record)
        except Exception as error:
            delay = self._backoff.failed(key)
            record.state, record.status = before[0], orjson.loads(before[1])
            if not self._gives_up(key, record, error):
                log.exception("%s: reconciling failed; trying again in %.1f s", record.arn, delay)
                await self._table.release(record, self._worker, self._promise(delay))
                return
            log.exception("%s: reconciling failed %d times; it is given up", record.arn, HOPELESS)
            after = 0.0
        if (record.state, orjson.dumps(record.status)) != before:
            record.modified = self._clock.now()
        record.due = None if after is None else self._promise(after)
        if not await self._table.save_fact(record, self._worker):
            log.info("%s: it is gone, or another server took over; this step is dropped", record.arn)
        elif self._changed is not None and record.state != before[0]:
            self._changed(record)
        self._backoff.succeeded(key)

    def _gives_up(self, key: _Key, record: Record, error: Exception) -> bool:
        """A mistake in the server ends what it strikes; what fails for want of a disk or a network is tried for ever."""
        if not isinstance(error, NEVER_HEAL) or self._backoff.count(key) < HOPELESS:
            return False
        reason = f"InternalServerError: the server failed with {type(error).__name__}; its log says why"
        return self._kinds[record.kind].let_fail(record, reason)

    async def _give_back(self) -> None:
        """End the leases of steps that could not be recorded when they ended; nobody need wait until they run out."""
        for key, (record, due) in list(self._unrecorded.items()):
            if key not in self._leased:
                released = await self._guarded("release", self._table.release(record, self._worker, due))
                if released is None:
                    return
            del self._unrecorded[key]

    def _promise(self, delay: float) -> float:
        """When to look again; soon is kept to the moment, later to a poll."""
        due = self._clock.now() + delay
        if delay < LEASE:
            self._ring(due)
        return due

    def _ring(self, due: float) -> None:
        """Look as soon as the clock says `due`. A timer may go off a little before: what is due then would wait for a poll."""
        left = due - self._clock.now()
        if left <= 0:
            self._bell.set()
        elif not self._stopping:
            asyncio.get_running_loop().call_later(max(left, _FINEST), self._ring, due)

    async def _rest(self, longest: float) -> None:
        timer = asyncio.get_running_loop().call_later(longest, self._bell.set)
        await self._bell.wait()
        timer.cancel()

    async def _renew(self) -> None:
        if self._leased:
            until = self._clock.now() + LEASE
            await self._guarded("renew", self._table.renew(list(self._leased.values()), self._worker, until))

    async def _finish(self, grace: float) -> None:
        steps = list(self._steps.values())
        if not steps:
            return
        _, late = await asyncio.wait(steps, timeout=grace)
        for step in late:
            step.cancel()
        if late:
            await asyncio.wait(late)

    async def _guarded(self, what: str, work: Coroutine[Any, Any, Any]) -> Any:
        """What `work` returns; None when the table failed, which must not end the loop: it may come back."""
        try:
            return await work
        except Exception:
            log.exception("the table failed to %s", what)
            return None

    @staticmethod
    async def _forever(seconds: float, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await call()
