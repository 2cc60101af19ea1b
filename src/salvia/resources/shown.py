"""What Describe has shown, kept until the record changes: of many that ask, most ask for what is still the same."""

from collections.abc import Callable
from typing import Any

from salvia.base.call import Lasting
from salvia.model.shapes import Shape
from salvia.ports.table import Record
from salvia.resources.reply import complete

MOST = 1000  # replies kept; each holds a few kilobytes


class Shown:
    """Replies of `shape` (None: as the view is) made from the `view` of a record, which depends on the record alone."""

    def __init__(self, shape: Shape | None, view: Callable[[Record], dict[str, Any]]) -> None:
        self._shape, self._view = shape, view
        self._kept: dict[tuple[str, str, str], tuple[Record, Lasting]] = {}

    def record(self, account: str, region: str, key: str) -> Record | None:
        """The record that was shown last; to be read only."""
        kept = self._kept.get((account, region, key))
        return kept[0] if kept else None

    def reply(self, record: Record) -> Lasting:
        place = record.account, record.region, record.key
        kept = self._kept.get(place)
        if kept and (kept[0].created, kept[0].version) == (record.created, record.version):
            return kept[1]
        view = self._view(record)
        reply = Lasting(complete(self._shape, view) if self._shape else view)
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = record, reply
        return reply
