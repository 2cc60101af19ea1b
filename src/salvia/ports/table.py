"""Where records live: one row for each resource, apart from anything else."""

from collections.abc import Sequence
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
    name, state, created, modified, key; ties are broken by key. A region of "" means every region.
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
    limit: int = 100


class Table(Protocol):
    """Keeps records. Every method is atomic and durable against a kill of the process when it returns.

    Records go in and come out by value: changing one changes nothing until it is saved.
    `claim` leases what is due to one `worker`: until `until`, no other worker is given the same record.
    """

    async def insert(self, record: Record) -> bool:
        """False when (kind, account, region, key) is taken."""
        ...

    async def get(self, kind: str, account: str, region: str, key: str) -> Record | None: ...

    async def find(self, arn: str) -> Record | None: ...

    async def select(self, query: Query) -> list[Record]: ...

    async def save_wish(self, record: Record) -> bool:
        """Write spec, wanted, tags, owner, name, modified and due; leave the facts. False when the record is gone."""
        ...

    async def save_fact(self, record: Record, worker: str) -> bool:
        """Write status, state, modified and due, and end the lease; leave the wishes.

        A wish saved since the record was read keeps its earlier `due`, so that the loop looks again. False when the record
        is gone or the lease is another worker's.
        """
        ...

    async def delete(self, record: Record) -> bool: ...

    async def claim(self, now: float, worker: str, until: float, limit: int = 100) -> Sequence[Record]: ...
