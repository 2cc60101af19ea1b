"""Everything outside a record that behaviour may ask or change: the ports, the clock and the other nouns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salvia.base.clock import Clock
from salvia.ports.compute import Compute
from salvia.ports.credentials import Credentials
from salvia.ports.images import Images
from salvia.ports.logs import RunLogs
from salvia.ports.metrics import Metrics
from salvia.ports.objects import Objects
from salvia.ports.serving import Serving
from salvia.ports.table import Table
from salvia.resources.fleet import Fleet
from salvia.resources.machine import Queue
from salvia.settings import Settings

if TYPE_CHECKING:
    from salvia.resources.kind import Resource


def _no_wake() -> None:
    pass


def _no_look(kind: str, account: str, region: str, key: str) -> None:
    pass


@dataclass(slots=True)
class World:
    settings: Settings
    clock: Clock
    table: Table
    credentials: Credentials
    objects: Objects
    compute: Compute
    images: Images
    logs: RunLogs
    metrics: Metrics
    serving: Serving
    kinds: "dict[str, Resource]" = field(default_factory=dict)  # by noun: "TrainingJob"
    wake: Callable[[], None] = _no_wake  # the control loop looks for due records now
    look: Callable[[str, str, str, str], None] = _no_look  # ... and at this record, whenever it is due
    queue: Queue = field(default_factory=Queue)  # for this machine
    fleet: Fleet = field(default_factory=Fleet)  # which runs answer for endpoints, as this server knows it
    parts: dict[str, Any] = field(
        default_factory=dict
    )  # ports of one service only, by name: "object_store", "log_store"
