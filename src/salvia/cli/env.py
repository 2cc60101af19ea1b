"""Print the environment variables that bring unmodified AWS clients here. In a shell: eval "$(salvia env)"."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping

from salvia.cli import servers
from salvia.cli.environment import variables
from salvia.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=_FORMATS, default="shell", help="shell to eval, json (null: unset), docker for --env-file"
    )


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data)
    server = servers.find(settings, args.port)
    chosen = variables(settings, server, os.environ)
    if server is None:
        print("salvia: no server runs there yet; start one with: salvia up", file=sys.stderr)
    sys.stdout.write(_FORMATS[args.format](chosen))
    return 0


def _shell(chosen: Mapping[str, str | None]) -> str:
    unset = [name for name, value in chosen.items() if value is None]
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in chosen.items() if value is not None]
    return "".join([f"unset {' '.join(unset)}\n" if unset else "", *lines])


def _json(chosen: Mapping[str, str | None]) -> str:
    return json.dumps(chosen, indent=2) + "\n"


def _docker(chosen: Mapping[str, str | None]) -> str:
    return "".join(f"{name}={value}\n" for name, value in chosen.items() if value is not None)


_FORMATS = {"shell": _shell, "json": _json, "docker": _docker}
