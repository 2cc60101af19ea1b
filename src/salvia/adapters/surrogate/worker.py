"""The process in which models are made: one question a line on its input, one answer a line on its output, both JSON.

A process of its own, so that a server that tunes nothing holds no numerical library, and none waits for one that computes.
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from salvia.adapters.surrogate.importance import importance
from salvia.adapters.surrogate.proposal import suggest
from salvia.ports.surrogate import Observations


def answer(question: dict[str, Any]) -> Any:
    known = Observations(**question["known"])
    return asdict(suggest(known)) if question["verb"] == "suggest" else importance(known)


def main() -> None:
    for line in sys.stdin:
        try:
            said = {"answer": answer(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - who asked is told, and may ask again
            said = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(f"{json.dumps(said)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
