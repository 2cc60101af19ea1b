"""Say which servers run on the data folder, and what uses the machine. Exits with 3 when none does."""

import argparse
import http.client
import json
from dataclasses import asdict
from typing import Any

from salvia.cli import Refusal, servers, starting
from salvia.cli.client import Client
from salvia.cli.servers import Running
from salvia.cli.usage import uses
from salvia.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data)
    found = [server for server in servers.running(settings.data) if args.port in {None, server.port}]
    if args.json:
        print(json.dumps([_document(settings, server) for server in found]))
        return 0 if found else 3
    if not found:
        raise Refusal(f"no server runs on {settings.data}; start one with: salvia up", status=3)
    for server in found:
        alive = answers(server)
        state = "answers" if alive else "does not answer"
        memory = f"{server.memory() / 1e6:.0f} MB"
        print(f"{server.url} {state} (pid {server.pid}, up {starting.uptime(server)}, {memory}, data {settings.data})")
        for use in uses(Client(settings, server)) if alive else ():
            print(f"  {use}")
    return 0


def _document(settings: Settings, server: Running) -> dict[str, Any]:
    alive = answers(server)
    return asdict(server) | {
        "answers": alive,
        "uses": [asdict(use) for use in uses(Client(settings, server))] if alive else [],
    }


def answers(server: Running) -> bool:
    """Whether it speaks HTTP; an unsigned request is refused, but by an answer."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, server.port, timeout=3)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
