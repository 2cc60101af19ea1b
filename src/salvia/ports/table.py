"""Where records live: one row for each resource, apart from anything else."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)
class Record:
    """One resource: what was asked (`spec`, `wanted`: written by the API), what is true (`status`, `due`: written by the loop).

    `key` names it within (kind, account, region); `name` is what lists filter and sort on; `state` is its status word,
    indexed. `version` grows with every write of either kind.
    """

    kind: str
    account: str
    region: str
    key: str
    arn: str
    created: float
    modified: float
    spec: dict[str, Any]
    status: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    state: str = ""
    owner: str = ""  # the ARN of the record that made this one
    wanted: str = "running"  # or "stopped", "deleted"
    due: float | None = None  # when the loop looks next; None: settled
    tags: dict[str, str] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """Which records of a kind, in what order. Every given condition must hold.

    `after` is the (sort value, key) of the last row of the page before. `sort` is one of
    name, state, created, modified, key; ties are broken by key. An account or region of "" means every one.
    """

    kind: str
    account: str
    region: str = ""
    name_contains: str = ""
    state: str = ""
    owner: str = ""
    created_after: float | None = None
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    sort: str = "created"
    descending: bool = True
    after: tuple[Any, str] | None = None
    after_region: str = ""
    limit: int = 100


class Table(Protocol):
    """Keeps records. Every method is atomic and durable against a kill of the process when it returns.

    Records go in and come out by value: changing one changes nothing until it is saved. What saves a record also sets its
    `version` to the one written. `spec`, `status` and `tags` hold JSON values: NaN and infinities come back as None.
    A record deleted and made anew under the same key is another record (told apart by `created`): what was read before
    neither changes nor deletes it.
    """

    async def insert(self, record: Record) -> bool:
        """False when (kind, account, region, key) is taken."""
        ...

    async def get(self, kind: str, account: str, region: str, key: str, known: Record | None = None) -> Record | None:
        """`known`, read before, is given back itself when nothing was written since, which costs less than reading it anew."""
        ...

    async def find(self, arn: str) -> Record | None: ...

    async def select(self, query: Query) -> list[Record]: ...

    async def save_wish(self, record: Record) -> bool:
        """Write spec, wanted, tags, owner, name and modified; leave the facts.

        Of the row's `due` and the record's, the earlier stands: a wish can only make the loop look sooner.
        False when nothing was written: the record is gone, or another wish was saved since this one was read, which must
        not be lost either. Read it again; if it is there, wish again.
        """
        ...

    async def save_fact(self, record: Record, worker: str) -> bool:
        """Write status, state, modified and due, and end the lease; leave the wishes.

        A wish saved since the record was read keeps its earlier `due`, so that the loop looks again. False when the record
        is gone, the lease is another worker's, or another worker wrote facts since this record was read.
        """
        ...

    async def delete(self, record: Record) -> bool:
        """False when it is gone already."""
        ...

    async def claim(
        self, now: float, worker: str, until: float, limit: int = 100, excluding: Collection[str] = ()
    ) -> Sequence[Record]:
        """Lease up to `limit` records that are due, the longest due first: until `until`, no other claim returns them.

        Kinds in `excluding` are left alone. Two workers' clocks must agree to well within a lease.
        """
        ...


class Leases(Protocol):
    """What the control loop asks of a table; each adapter of Table keeps these promises too.

    A worker's name belongs to one living process at a time.
    """

    async def claim(
        self, now: float, worker: str, until: float, limit: int = 100, excluding: Collection[str] = ()
    ) -> Sequence[Record]: ...

    async def save_fact(self, record: Record, worker: str) -> bool: ...

    async def renew(self, records: Sequence[Record], worker: str, until: float) -> None:
        """Prolong the leases that are still `worker`'s; those that another worker took stay taken."""
        ...

    async def release(self, record: Record, worker: str, due: float | None) -> bool:
        """End the lease and write no fact but `due`, with the same care for later wishes as save_fact."""
        ...

    async def abandon(self, worker: str) -> None:
        """End every lease of `worker`: it has just started, and its former life will not come back; or it ends now."""
        ...
