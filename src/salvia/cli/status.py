"""Say which servers run on the data folder. Exits with 3 when none does."""

import argparse
import http.client
import json
from dataclasses import asdict

from salvia.cli import Refusal, servers, starting
from salvia.cli.servers import Running
from salvia.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data)
    found = [server for server in servers.running(settings.data) if args.port in {None, server.port}]
    if args.json:
        print(json.dumps([asdict(server) | {"answers": answers(server)} for server in found]))
        return 0 if found else 3
    if not found:
        raise Refusal(f"no server runs on {settings.data}; start one with: salvia up", status=3)
    for server in found:
        state = "answers" if answers(server) else "does not answer"
        memory = f"{server.memory() / 1e6:.0f} MB"
        print(f"{server.url} {state} (pid {server.pid}, up {starting.uptime(server)}, {memory}, data {settings.data})")
    return 0


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
