"""Which channels XGBoost takes, in which formats and modes; checked in the order and words of AWS's container."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salvia_container.failure import UserError

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio-protobuf"
FORMATS = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "parquet": PARQUET,
    "recordio-protobuf": RECORDIO,
    "text/csv": CSV,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "application/x-parquet": PARQUET,
    "application/x-recordio-protobuf": RECORDIO,
}
DEFAULT_CONTENT_TYPE = "text/libsvm"
FILE_MODES = ("File", "FastFile")  # a FastFile channel is a folder like any other
DISTRIBUTIONS = ("FullyReplicated", "ShardedByS3Key")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it will be read."""

    name: str
    format: str
    pipe: bool = False


def validate(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Channel]:
    """The train channel and, where given, the validation channel. Raises UserError for the first problem.

    A validation channel without a ContentType of its own is read like the train channel.
    """
    if "train" not in given:
        raise UserError("Missing required channel: train")
    channels = {}
    inherited = given["train"].get("ContentType", DEFAULT_CONTENT_TYPE)
    for name, config in given.items():
        if name not in ("train", "validation", "code"):
            raise UserError(f"Extraneous channel found: {name}")
        if name == "code":
            continue
        channels[name] = _channel(name, {**config, "ContentType": config.get("ContentType") or inherited})
    return channels


def content_format(content_type: str) -> str:
    """The format behind a content type and its parameters: 'text/csv; label_size=1' is csv."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media not in FORMATS:
        raise UserError(f"{content_type} is not an accepted ContentType: {', '.join(FORMATS)}.")
    sizes = [value.strip('" ') for key, _, value in (part.partition("=") for part in parameters) if key == "label_size"]
    if FORMATS[media] == CSV and sizes and sizes[-1] != "1":
        raise UserError(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
        )
    return FORMATS[media]


def _channel(name: str, config: Mapping[str, Any]) -> Channel:
    mode = config.get("TrainingInputMode", "File")
    distribution = config.get("S3DistributionType", "FullyReplicated")
    unsupported = f"Channel configuration for '{name}' channel is not supported: {dict(config)}"
    if config["ContentType"].split(";")[0].strip().lower() not in FORMATS:
        raise UserError(f"{unsupported}. ContentType must be one of {', '.join(FORMATS)}.")
    kind = content_format(config["ContentType"])
    if distribution not in DISTRIBUTIONS or mode not in (*FILE_MODES, "Pipe") or (mode == "Pipe" and kind == LIBSVM):
        raise UserError(unsupported)
    return Channel(name, kind, pipe=mode == "Pipe")
