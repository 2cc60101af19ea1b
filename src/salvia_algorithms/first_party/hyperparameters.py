"""Hyperparameters as AWS's own algorithms declare and check them: strings against a schema, in that schema's words."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from salvia_algorithms.interval import Interval
from salvia_container.failure import UserError

AUTO = "auto"
Range = Interval | tuple[str, ...] | None
Reader = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One row of an algorithm's table.

    `kind` is one of KINDS. `range` holds the numbers, or the words, that are valid; of a list, its elements. `default` is
    what AWS's default configuration has, as a string; None: there is none. With `auto`, the word "auto" is valid and means
    that the algorithm decides. `tuned` is the recommended range for tuning. `idle` is why it has no effect here, or "".
    """

    name: str
    kind: str
    range: Range = None
    default: str | None = None
    required: bool = False
    auto: bool = False
    tuned: Interval | tuple[str, ...] | None = None
    idle: str = ""


# What the framework itself takes, whatever the algorithm.
FRAMEWORK = (
    Hyperparameter("_tuning_objective_metric", "text", default="", idle="a tuning job reads the metric from the log"),
    Hyperparameter("_log_level", "text", default="info", idle="everything is logged"),
    Hyperparameter("_num_gpus", "text", default=AUTO, idle="training runs on CPUs"),
    Hyperparameter("_num_kv_servers", "text", default=AUTO, idle="there are no parameter servers"),
    Hyperparameter("_kvstore", "text", default=AUTO, idle="there are no parameter servers"),
    Hyperparameter("_enable_profiler", "text", default="false", idle="there is no profiler"),
)


def table(*rows: Hyperparameter) -> dict[str, Hyperparameter]:
    """An algorithm's rows and those of the framework, by name."""
    return {row.name: row for row in (*rows, *FRAMEWORK)}


def validate(rows: Mapping[str, Hyperparameter], given: Mapping[str, str]) -> dict[str, Any]:
    """The typed value of every row: as given, else its default. None stands for "auto" and for what is not given.

    Raises UserError for the first problem, as AWS words it: what is missing, what does not exist, what is out of range.
    """
    missing = [name for name, row in rows.items() if row.required and name not in given]
    if missing:
        raise UserError(
            f"No value(s) were specified for {_quoted(missing)} which are required hyperparameter(s) "
            f"(caused by ValidationError)\n\nCaused by: {missing[0]!r} is a required property"
        )
    unknown = sorted(name for name in given if name not in rows)
    if unknown:
        unexpected = f"are not allowed ({_quoted(unknown)} {'was' if len(unknown) == 1 else 'were'} unexpected)"
        raise UserError(
            f"Additional hyperparameters {unexpected} (caused by ValidationError)\n\n"
            f"Caused by: Additional properties {unexpected}"
        )
    return {name: _value(row, given.get(name, row.default)) for name, row in rows.items()}


def not_valid(name: str, value: str, expected: str) -> UserError:
    """The refusal of one value; `expected` says in words what would be right."""
    wrong = f"{value!r} is not valid under any of the given schemas"
    return UserError(
        f"{wrong} (caused by ValidationError)\n\nCaused by: {wrong}\n\n"
        f"Failed validating 'oneOf' in schema['properties'][{name!r}]: {expected}\n\nOn instance[{name!r}]:\n    {value!r}"
    )


def final(rows: Mapping[str, Hyperparameter], given: Mapping[str, str]) -> dict[str, str]:
    """The configuration as AWS logs it: defaults, overridden by what was given."""
    return {name: row.default for name, row in rows.items() if row.default is not None} | dict(given)


def _value(row: Hyperparameter, text: str | None) -> Any:
    if text is None or (row.auto and text == AUTO):
        return None
    try:
        value = KINDS[row.kind](text)
    except (ValueError, TypeError) as error:
        raise not_valid(row.name, text, _expected(row)) from error
    elements = value if row.kind == "list" else [value]
    if row.range is not None and not all(element in row.range for element in elements):
        raise not_valid(row.name, text, _expected(row))
    return value


def _expected(row: Hyperparameter) -> str:
    if isinstance(row.range, tuple):
        words = f"{'a JSON list of' if row.kind == 'list' else 'one of'} {_quoted(row.range)}"
    else:
        words = _NAMES[row.kind] + ("" if row.range is None else f" in {row.range}")
    return f"{words} or 'auto'" if row.auto else words


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _integer(text: str) -> int:
    if not text.strip().lstrip("+-").isdigit():  # int() would take 1_000 as well
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if "_" in text or not math.isfinite(value):
        raise ValueError(text)
    return value


def _flag(text: str) -> bool:
    words = {"true": True, "false": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _list(text: str) -> list[str]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise ValueError(text)
    return value


KINDS: dict[str, Reader] = {
    "integer": _integer,
    "number": _number,
    "choice": str,
    "flag": _flag,
    "list": _list,
    "text": str,
}
_NAMES = {
    "integer": "an integer",
    "number": "a number",
    "flag": "'true' or 'false'",
    "list": "a JSON list of strings",
    "text": "text",
}
