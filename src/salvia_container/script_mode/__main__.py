"""The framework images' entry points: `python -m salvia_container.script_mode train`, and `serve FRAMEWORK`.

A platform forks it after importing this module.
"""

import sys
from collections.abc import Sequence

from salvia_container import log
from salvia_container.script_mode.serve import FRAMEWORKS, serve_script
from salvia_container.script_mode.train import train_script


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code of the process."""
    if list(arguments) == ["train"]:
        return train_script()
    if len(arguments) == 2 and arguments[0] == "serve" and arguments[1] in FRAMEWORKS:
        return serve_script(arguments[1])
    log.error(
        f"Cannot {' '.join(arguments) or 'start'}: this program knows `train` and `serve` with one of {', '.join(FRAMEWORKS)}."
    )
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
