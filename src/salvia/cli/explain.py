"""Say what was derived from AWS's model of a noun, and so need not be written: its operations, names, filters and members."""

import argparse
import sys
from difflib import get_close_matches
from typing import Any

from salvia import app
from salvia.cli import Refusal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("noun", help="TrainingJob")


def main(args: argparse.Namespace) -> int:
    try:
        derived = app.explain(args.noun)
    except KeyError:
        nouns = [kind.noun for service in app.SERVICES for kind in service.kinds]
        near = get_close_matches(args.noun, nouns, 3, cutoff=0.4) or sorted(nouns)
        raise Refusal(f"no service has the noun {args.noun!r}; there are {', '.join(near)}") from None
    where = {row.operation: row.where for row in app.operations() if row.service == derived.service}
    operations = [*derived.verbs.values(), *filter(None, [derived.list_operation])]
    width = max(map(len, operations))
    sys.stdout.write(
        "\n".join(
            [
                f"{derived.noun}, a noun of {derived.service}",
                "",
                *(f"  {name:{width}}  {where.get(name, '')}" for name in operations),
                "",
                *(f"  {what:12} {text}" for what, text in _facts(derived) if text),
                "",
            ]
        )
    )
    return 0


def _facts(derived: Any) -> list[tuple[str, str]]:
    return [
        ("named by", ", ".join(derived.identity)),
        ("drawn here", ", ".join(derived.assigned)),
        ("ARN", f"{derived.arn_member}, arn:aws:{derived.service}:REGION:ACCOUNT:{derived.arn_type}/NAME"),
        ("status", derived.status_member),
        ("listed in", derived.result_key),
        ("filtered by", ", ".join(derived.filters)),
        ("sorted by", ", ".join(derived.sorts)),
        ("described by", _members(derived.described)),
        ("listed with", _members(derived.listed)),
    ]


def _members(shape: Any) -> str:
    return ", ".join(shape.members) if shape is not None else ""
