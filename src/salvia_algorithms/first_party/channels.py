"""The channels of AWS's own algorithms: which there must be, in which format, and how they are spread over instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salvia_container.failure import UserError

CSV, RECORDIO = "csv", "recordio-protobuf"
CONTENT_TYPES = {"text/csv": CSV, "application/x-recordio-protobuf": RECORDIO}
DEFAULT_CONTENT_TYPE = "application/x-recordio-protobuf"
REPLICATED, SHARDED = "FullyReplicated", "ShardedByS3Key"
MODES = ("File", "FastFile", "Pipe")  # a FastFile channel is a folder like any other


@dataclass(frozen=True, slots=True)
class Accepted:
    """A channel an algorithm takes."""

    name: str
    required: bool = False
    formats: tuple[str, ...] = (CSV, RECORDIO)
    distributions: tuple[str, ...] = (REPLICATED, SHARDED)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it will be read. `labels` is how many first columns of a csv row are labels: 0 or 1."""

    name: str
    format: str
    content_type: str = DEFAULT_CONTENT_TYPE
    labels: int = 1
    pipe: bool = False
    sharded: bool = False


def validate(accepted: Sequence[Accepted], given: Mapping[str, Mapping[str, Any]]) -> dict[str, Channel]:
    """The channels by name. Raises UserError for the first problem, as AWS words it."""
    known = {channel.name: channel for channel in accepted}
    for channel in accepted:
        if channel.required and channel.name not in given:
            raise _invalid(f"{channel.name!r} is a required property")
    for name in given:
        if name not in known:
            raise _invalid(f"Additional properties are not allowed ({name!r} was unexpected)")
    return {name: _channel(known[name], config) for name, config in given.items()}


def content_format(content_type: str) -> tuple[str, int]:
    """The format behind a content type, and how many label columns its csv rows have: 'text/csv;label_size=0'."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media not in CONTENT_TYPES:
        raise UserError(f"No iterator has been registered for ContentType ({media!r}, '1.0')")
    sizes = [value.strip('" ') for key, _, value in (part.partition("=") for part in parameters) if key == "label_size"]
    if CONTENT_TYPES[media] == CSV and sizes and sizes[-1] not in ("0", "1"):
        raise UserError(f"{content_type}: the optional parameter label_size must be 0 or 1")
    return CONTENT_TYPES[media], int(sizes[-1]) if sizes else 1


def _channel(accepted: Accepted, config: Mapping[str, Any]) -> Channel:
    mode = config.get("TrainingInputMode", "File")
    distribution = config.get("S3DistributionType", REPLICATED)
    content_type = config.get("ContentType") or DEFAULT_CONTENT_TYPE
    kind, labels = content_format(content_type)
    if kind not in accepted.formats:
        raise UserError(f"No iterator has been registered for ContentType ({content_type!r}, '1.0')")
    for member, value, allowed in (
        ("TrainingInputMode", mode, MODES),
        ("S3DistributionType", distribution, accepted.distributions),
    ):
        if value not in allowed:
            place = f"[{accepted.name!r}][{member!r}]"
            raise _invalid(
                f"{value!r} is not one of {list(allowed)}\n\nFailed validating 'enum' in schema['properties']{place}"
            )
    return Channel(accepted.name, kind, content_type, labels, mode == "Pipe", distribution == SHARDED)


def _invalid(cause: str) -> UserError:
    return UserError(
        "Unable to initialize the algorithm. Failed to validate input data configuration. (caused by ValidationError)\n\n"
        f"Caused by: {cause}"
    )
