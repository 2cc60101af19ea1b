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
        self._kept: dict[
            str, tuple[float, int, Lasting]
        ] = {}  # by ARN: created and version of the record, and the reply

    def reply(self, record: Record) -> Lasting:
        created, version, reply = self._kept.get(record.arn, _NOTHING)
        if (created, version) == (record.created, record.version):
            return reply
        view = self._view(record)
        reply = Lasting(complete(self._shape, view) if self._shape else view)
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[record.arn] = record.created, record.version, reply
        return reply


_NOTHING = 0.0, -1, Lasting()
