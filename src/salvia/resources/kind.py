"""A Resource is one noun of an AWS API. Its verbs come from the service model; subclasses add only what is special."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from salvia.base.arn import Scope
from salvia.base.call import Call, Reply
from salvia.base.errors import AwsError, InUse, ValidationError
from salvia.model.shapes import ServiceModel
from salvia.ports.table import Record
from salvia.resources.derive import Derived, derive
from salvia.resources.identity import Identity
from salvia.resources.instances import Share
from salvia.resources.listing import page
from salvia.resources.reply import complete
from salvia.resources.shown import Shown
from salvia.resources.world import World

Answer = Mapping[str, Any] | Reply


def derived(kind: "type[Resource]", model: ServiceModel) -> Derived:
    """What the model says of a kind, and what the kind states itself."""
    stated = {name: getattr(kind, name) for name in ("arn_member", "arn_type", "status_member")}
    return derive(kind.noun, model, stated)


class Resource:
    """One noun. Override `admit`, `reconcile` and `dispose`; state a fact where the model's own is not AWS's.

    The API side writes wishes (`spec`, `wanted`), the control loop writes facts (`status`, `state`, `due`).
    """

    noun: ClassVar[str]  # the API's own word: "TrainingJob"
    initial_status: ClassVar[str] = ""  # what status a new record has; "" for nouns without one
    unsettled: ClassVar[frozenset[str]] = frozenset()  # statuses in which a Stop is meaningful and a Delete is not
    stopping_status: ClassVar[str] = "Stopping"
    absent: ClassVar[tuple[str, str]] = ("ResourceNotFound", "{noun} {name} does not exist.")
    taken: ClassVar[str] = "{noun} {name} already exists ({arn})"
    taken_error: ClassVar[type[AwsError]] = InUse
    recorded: ClassVar[frozenset[str]] = frozenset()  # verbs ("Update") that store and echo, and change nothing
    uses_machine: ClassVar[bool] = False  # queues for the machine's CPUs and memory while unsettled
    arn_member: ClassVar[str] = ""  # these three are derived unless stated
    arn_type: ClassVar[str] = ""
    status_member: ClassVar[str] = ""

    def __init__(self, world: World, model: ServiceModel) -> None:
        self.world = world
        self.model = derived(type(self), model)
        self.identity = Identity(self.model)
        self.shown = Shown(self.model.described, self.view)

    # ------------------------------------------------------------- what a subclass may say

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        """Check and complete a Create request; raise an AwsError to refuse it. Returns the spec to keep."""
        return request

    async def amend(self, record: Record, request: dict[str, Any]) -> None:
        """Apply an Update request to `record.spec`; raise an AwsError to refuse it."""
        record.spec |= request

    async def reconcile(self, record: Record) -> float | None:
        """Take one idempotent step towards what was asked; write only `record.status` and `record.state`.

        Returns seconds until the next look, or None when there is nothing left to do.
        """
        return None

    def let_fail(self, record: Record, reason: str) -> bool:
        """The server itself has failed, again and again: the record is Failed, if the model lets the noun be. False if not."""
        if record.state not in self.unsettled or "Failed" not in self.model.statuses:
            return False
        record.state = "Failed"
        record.status["FailureReason"] = reason
        return True

    async def dispose(self, record: Record) -> None:
        """Free what the resource holds; called before its row goes. Idempotent."""

    async def hold(self, record: Record, call: Call) -> Record:
        """Describe shows what this returns: a noun may let a client that only waits wait for a change. `record` is only read."""
        return record

    def demand(self, record: Record) -> Share:
        """What it wants of the machine, for nouns with `uses_machine`."""
        return Share(0, 0)

    def view(self, record: Record) -> dict[str, Any]:
        """Everything a reply may show; the model's shapes choose from it. It depends on the record alone."""
        envelope: dict[str, Any] = {
            self.model.arn_member: record.arn,
            "CreationTime": record.created,
            "LastModifiedTime": record.modified,
            "_name": record.name,
        }
        shown = record.spec | envelope | record.status
        if self.model.status_member:
            # A wish to stop shows at once, whenever the loop gets to it.
            stopping = record.wanted != "running" and record.state in self.unsettled
            status = self.stopping_status if stopping else record.state
            shown[self.model.status_member] = shown["_status"] = status
        return shown

    # ------------------------------------------------------------- verbs, as the model names them

    def operations(self) -> dict[str, Callable[[Call], Awaitable[Answer]]]:
        """{"CreateTrainingJob": callable, ...} for every verb the model has for this noun."""
        table = {name: getattr(self, verb.lower()) for verb, name in self.model.verbs.items()}
        return table | ({self.model.list_operation: self.list} if self.model.list_operation else {})

    async def create(self, call: Call) -> Answer:
        record = await self.make(Scope(call.account, call.region), call.params)
        return self.view(record)

    async def describe(self, call: Call) -> Answer:
        record = await self.hold(await self.find(call, self.shown), call)
        return self.shown.reply(record)

    async def list(self, call: Call) -> Answer:
        rows, token = await page(self.world.table, self.noun, call.account, call.region, call.params, self.view)
        assert self.model.listed is not None
        summaries = [complete(self.model.listed, row) for row in rows]
        return {self.model.result_key: summaries, "NextToken": token}

    async def update(self, call: Call) -> Answer:
        change = {name: value for name, value in call.params.items() if name not in self.model.identity}
        return await self.wish(call, lambda record: self.amend(record, change))

    async def stop(self, call: Call) -> Answer:
        async def stopped(record: Record) -> None:
            if record.state not in self.unsettled:
                raise ValidationError(
                    f"The request was rejected because the {self.identity.words} is in status {record.state}: only one "
                    f"that is {' or '.join(sorted(self.unsettled))} can be stopped."
                )
            record.wanted = "stopped"

        return await self.wish(call, stopped)

    async def start(self, call: Call) -> Answer:
        async def running(record: Record) -> None:
            record.wanted = "running"

        return await self.wish(call, running)

    async def delete(self, call: Call) -> Answer:
        record = await self.find(call)
        if record.state in self.unsettled:
            raise InUse(f"{self.noun} {record.name} is {record.state}: stop it, and delete it when it has ended.")
        await self.dispose(record)
        await self.world.table.delete(record)
        return self.view(record)

    # ------------------------------------------------------------- for behaviour that makes or reads other nouns

    async def make(self, scope: Scope, request: dict[str, Any], owner: str = "") -> Record:
        """Admit and insert. Raises the noun's own error when the name is taken."""
        named = self.identity.chosen(scope) | request
        key = self.identity.key(named)
        arn = self.identity.arn(scope, key)
        if await self.world.table.get(self.noun, scope.account, scope.region, key):
            raise _taken(self, named, arn)
        spec = await self.admit(named, scope)
        kept = {name: value for name, value in spec.items() if name != "Tags"}
        tags = {tag["Key"]: tag["Value"] for tag in spec.get("Tags", ())}
        record = fresh(self, scope, key, arn, kept, owner=owner, name=self.identity.name(named), tags=tags)
        if not await self.world.table.insert(record):
            raise _taken(self, named, arn)
        self.world.wake()
        return record

    async def find(self, call: Call, shown: Shown | None = None) -> Record:
        """The record that a request names, the one `shown` if it is still that. Raises the noun's own "not found"."""
        key, account, region = self.identity.key(call.params), call.account, call.region
        known = shown.record(account, region, key) if shown else None
        record = await self.world.table.get(self.noun, account, region, key, known)
        if record is None:
            code, phrase = self.absent
            arn = self.identity.arn(Scope(account, region), key)
            raise AwsError(phrase.format(noun=self.noun, name=self.identity.name(call.params), arn=arn), code=code)
        return record

    async def wish(self, call: Call, change: Callable[[Record], Awaitable[None]]) -> Answer:
        """Apply `change` to the record and save it; to the newest one again when another request saved first."""
        while True:
            record = await self.find(call)
            await change(record)
            record.modified = record.due = self.world.clock.now()
            if await self.world.table.save_wish(record):
                self.world.wake()
                return self.view(record)


def fresh(kind: Resource, scope: Scope, key: str, arn: str, spec: dict[str, Any], **facts: Any) -> Record:
    """A record of the kind as it begins, due at once and not inserted yet; `facts` are its other fields."""
    now = kind.world.clock.now()
    begun: dict[str, Any] = {"created": now, "modified": now, "due": now, "name": key, "state": kind.initial_status}
    return Record(
        kind=kind.noun, account=scope.account, region=scope.region, key=key, arn=arn, spec=spec, **begun | facts
    )


async def put(
    kind: Resource,
    scope: Scope,
    key: str,
    arn: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    owner: str = "",
    **facts: Any,
) -> Record:
    """Insert a record, or change the one that is there, for nouns whose Put does either.

    `change` makes the new spec of the old one, {} where there is none; `facts` are fields of a new record.
    """
    world = kind.world
    while True:
        record = await world.table.get(kind.noun, scope.account, scope.region, key)
        if record is None:
            record = fresh(kind, scope, key, arn, change({}), owner=owner, **facts)
            saved = await world.table.insert(record)
        else:
            record.spec = change(record.spec)
            record.owner = owner
            record.modified = record.due = world.clock.now()
            saved = await world.table.save_wish(record)
        if saved:
            world.wake()
            return record


async def halt(kind: Resource, account: str, region: str, key: str) -> None:
    """Wish that a record stop, for behaviour that ends other nouns; nothing happens to one that is gone or has settled."""
    while True:
        record = await kind.world.table.get(kind.noun, account, region, key)
        if record is None or record.state not in kind.unsettled or record.wanted == "stopped":
            return
        record.wanted = "stopped"
        record.modified = record.due = kind.world.clock.now()
        if await kind.world.table.save_wish(record):
            kind.world.wake()
            return


def _taken(kind: Resource, request: Mapping[str, Any], arn: str) -> AwsError:
    sentence = kind.taken.format(noun=kind.noun, name=kind.identity.name(request), arn=arn)
    return kind.taken_error(sentence)
