"""Run a command whose AWS clients come here, and return its exit status. Starts a server when none runs, and leaves it running."""

import argparse
import os
import sys

from salvia.cli import Refusal, servers, starting
from salvia.cli.environment import applied, variables
from salvia.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run, with its arguments"
    )


def main(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise Refusal("say what to run: salvia run -- python train.py", status=2)
    settings = Settings.load(port=args.port, data=args.data)
    server = servers.find(settings, args.port)
    if server is None:
        server = starting.serve_apart(settings)
        print(f"salvia: started a server at {server.url}; end it with: salvia down", file=sys.stderr)
    environment = applied(variables(settings, server, os.environ), os.environ)
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - it takes this process's place: signals and status are its own
    except OSError as error:
        raise Refusal(f"cannot run {command[0]}: {error.strerror}", status=127) from None
