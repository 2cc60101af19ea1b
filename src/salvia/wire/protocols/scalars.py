"""Scalars as text: what stands in headers, query strings, forms and XML."""

import base64
import binascii
import math
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime

from salvia.model.shapes import Shape
from salvia.wire.errors import Malformed

_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
Scalar = str | int | float | bool | bytes

_EXPECTED = {
    "integer": "an integer",
    "long": "an integer",
    "float": "a number",
    "double": "a number",
    "boolean": "true or false",
    "timestamp": "a timestamp",
    "blob": "Base64",
}


def read_text(shape: Shape, text: str) -> Scalar:
    """Raises Malformed. Any of AWS's three timestamp formats is understood, whichever the model names."""
    kind = shape.type
    if kind in {"string", "character"}:
        return text
    try:
        if kind in {"integer", "long"}:
            return int(text)
        if kind in {"float", "double"}:
            return float(text)
        if kind == "timestamp":
            return read_timestamp(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error, OverflowError) as error:
        raise Malformed(f"{text[:100]!r} is not {_EXPECTED[kind]}") from error
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    raise Malformed(f"{text[:100]!r} is not {_EXPECTED.get(kind, kind)}")


def write_text(shape: Shape, value: object, timestamp_format: str) -> str:
    """`timestamp_format` is the place's default; the shape's own stands over it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int | float):
        if shape.type == "timestamp":
            return write_timestamp(value, shape.timestamp_format or timestamp_format)
        return write_number(value)
    raise TypeError(f"{shape.name} is a {shape.type}; a {type(value).__name__} cannot be written as one")


def read_timestamp(text: str) -> float:
    """ISO 8601, RFC 822 or seconds since the epoch. Raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        moment = _moment(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return checked_timestamp(seconds)


def checked_timestamp(seconds: float) -> float:
    """Raises ValueError for a moment that no calendar has (NaN too): nothing could write it down again."""
    if not _YEAR_1 <= seconds < _YEAR_10000:
        raise ValueError(seconds)
    return seconds


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def write_timestamp(seconds: float, form: str) -> str:
    """`form` is the model's timestampFormat; "milliseconds" is ISO 8601 with always three decimals, as S3 writes it."""
    if form == "rfc822":
        return formatdate(int(seconds // 1), usegmt=True)
    if form in {"iso8601", "milliseconds"}:
        fine = form == "milliseconds" or seconds % 1
        text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds" if fine else "seconds")
        return text[:-6] + "Z"
    return write_number(seconds)


def write_number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
