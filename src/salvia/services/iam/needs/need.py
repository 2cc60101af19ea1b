"""A need: one action on one resource that a request must be allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """`keys` are the condition keys (lower case) that only this action has; `bucket` has a policy of its own to ask.

    `anything` says that the resource stands for keys that are not known yet: no policy may then deny the action on any.
    """

    action: str
    resource: str
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bucket: str = ""
    anything: bool = False
