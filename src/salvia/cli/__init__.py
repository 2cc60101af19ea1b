"""The command line: `salvia COMMAND`. Each command is a module that is imported only when it is asked for."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

COMMANDS = {
    "up": "start a server",
    "down": "end a server",
    "status": "say whether a server runs, and where",
    "env": "print the environment variables that bring AWS clients here",
    "run": "run a command whose AWS clients come here: salvia run -- python train.py",
    "demo": "train a real model through the unmodified SageMaker SDK",
    "doctor": "say what this machine can and cannot do",
    "logs": "print what a job printed: salvia logs -f JOB",
    "operations": "list every operation of every service and what becomes of it",
    "explain": "say what was derived from the model of a noun: salvia explain TrainingJob",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 not done, 2 misused, 3 no server runs."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or given[0] in {"-h", "--help", "help"}:
        print(_overview())
        return 0 if given else 2
    if given[0] in {"-V", "--version"}:
        print(f"salvia {import_module('importlib.metadata').version('salvia')}")
        return 0
    if given[0] not in COMMANDS:
        print(f"salvia: no command {given[0]!r}; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    command = import_module(f"salvia.cli.{given[0]}")
    parser = argparse.ArgumentParser(f"salvia {given[0]}", description=command.__doc__)
    parser.add_argument("--port", type=int, help="the server's port (SALVIA_PORT; 8321)")
    parser.add_argument("--data", type=Path, help="its data folder (SALVIA_DATA; ~/.local/share/salvia)")
    command.add_arguments(parser)
    try:
        return int(command.main(parser.parse_args(given[1:])))
    except Refusal as refusal:
        print(f"salvia: {refusal}", file=sys.stderr)
        return refusal.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `salvia operations | head`
        sys.stderr.close()
        return 0


class Refusal(Exception):
    """A command that cannot do what it was asked; the text says why, and what would help."""

    def __init__(self, why: str, status: int = 1) -> None:
        super().__init__(why)
        self.status = status


def _overview() -> str:
    lines = [f"  {name:11} {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        ["usage: salvia COMMAND [--port PORT] [--data FOLDER] …", "", *lines, "", "salvia COMMAND --help tells more."]
    )
