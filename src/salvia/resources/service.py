"""A service: its model's name, its nouns, and the operations that are plain functions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from salvia.base.call import Begun, Call, Reply
from salvia.resources.kind import Resource
from salvia.resources.world import World

Operation = Callable[[World, Call], Awaitable[Mapping[str, Any] | Reply]]


@dataclass(frozen=True, slots=True)
class Service:
    """`name` is botocore's ("sagemaker"). `begins` has those of `operations` that may also begin without a task; `recorded` names the operations that store and echo but change nothing.

    Every operation of the model that neither a noun nor `operations` answers is refused.
    """

    name: str
    kinds: tuple[type[Resource], ...] = ()
    operations: Mapping[str, Operation] = field(default_factory=dict)
    begins: Mapping[str, Callable[[World, Call, Callable[[Begun], None]], bool]] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
