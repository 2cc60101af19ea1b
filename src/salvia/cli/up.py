"""Start a server. It listens on this machine only, unless --host says otherwise, and makes root's key at its first start."""

import argparse
import sys
import time
from contextlib import suppress

from salvia.cli import servers, starting
from salvia.cli.servers import Running
from salvia.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--ray", metavar="ADDRESS", help="run jobs on this Ray cluster: auto, or HOST:PORT of its head")
    parser.add_argument("--detach", action="store_true", help="return when it answers, and leave it running")


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data, host=args.host, ray_address=args.ray)
    server = servers.find(settings, settings.port)
    if server is not None:
        print(f"Salvia runs already at {server.url} (pid {server.pid}, data {settings.data})", file=sys.stderr)
        return 1
    began = time.monotonic()

    def ready(server: Running) -> None:
        print(f"Salvia is ready at {server.url} after {time.monotonic() - began:.1f} s (data {settings.data})")
        if sys.stdout.isatty():
            chosen = "".join(f" --{name} {value}" for name, value in vars(args).items() if name in _FOUND_BY and value)
            print(f'Use it from any shell:  eval "$(salvia env{chosen})"     or:  salvia run{chosen} -- COMMAND')
        sys.stdout.flush()

    if args.detach:
        ready(starting.serve_apart(settings))
        return 0
    with suppress(KeyboardInterrupt):  # how one ends a server in the foreground
        starting.serve_here(settings, ready)
    return 0


_FOUND_BY = ("port", "data")
