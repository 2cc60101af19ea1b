"""The framework images' entry point: `python -m salvia_container.script_mode train`. A platform forks it after importing this module."""

import sys
from collections.abc import Sequence

from salvia_container import log
from salvia_container.script_mode.train import train_script


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code of the process."""
    if list(arguments) != ["train"]:
        log.error(f"Cannot {' '.join(arguments) or 'start'}: this program trains.")
        return 64
    return train_script()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
