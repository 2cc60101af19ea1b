"""End a server. Jobs that run go on, and the next server takes them up again."""

import argparse

from salvia.cli import Refusal, servers, starting
from salvia.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="every server on the data folder")


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data)
    found = servers.running(settings.data) if args.all else [servers.needed(settings, args.port)]
    for server in found:
        if not starting.stop(server):
            raise Refusal(
                f"the server at {server.url} still finishes its work; to end it at once: kill -9 {server.pid}"
            )
        print(f"Ended the server at {server.url} (pid {server.pid})")
    return 0
