"""What stands in the folder of a run that was given to Ray: by which names Ray knows it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

MARK = "ray"


@dataclass(frozen=True, slots=True)
class Mark:
    """`placement` is the name of the placement group, `actor` that of the actor that looks after the run."""

    placement: str
    actor: str


def read(folder: Path) -> Mark | None:
    """None when Ray never took the run."""
    try:
        return Mark(**json.loads((folder / MARK).read_text()))
    except FileNotFoundError:
        return None


def write(folder: Path, mark: Mark) -> None:
    """Whole or not at all. Raises FileNotFoundError when the run was removed meanwhile."""
    temporary = folder / f".{MARK}"
    temporary.write_text(json.dumps(asdict(mark)))
    temporary.rename(folder / MARK)
