"""What AWS's own algorithms say in the log: their lines, and the metrics that the platform finds in them."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LOSS, SCORE = "loss", "score"


def info(message: str) -> None:
    _line("INFO", message)


def warning(message: str) -> None:
    _line("WARNING", message)


@dataclass(frozen=True, slots=True)
class Report:
    """The lines of one host of one algorithm. `algorithm` is the name in the dimensions of `#metrics` lines."""

    algorithm: str
    host: str

    def metrics(self, values: Mapping[str, float], *, started: float | None = None, **dimensions: Any) -> None:
        """A `#metrics` line. `started` is when what was measured began, in seconds since 1970: now, when not given."""
        now = time.time()
        document = {
            "StartTime": now if started is None else started,
            "EndTime": now,
            "Dimensions": {"Algorithm": self.algorithm, "Host": self.host, "Operation": "training", **dimensions},
            "Metrics": {name: {"sum": value, "count": 1, "min": value, "max": value} for name, value in values.items()},
        }
        print(f"#metrics {json.dumps(document)}\n", flush=True)

    def quality(self, channel: str, name: str, value: float, *, kind: str = LOSS, epoch: int | None = None) -> None:
        """`kind` says whether less (LOSS) or more (SCORE) is better."""
        when = "" if epoch is None else f"epoch={epoch}, "
        info(f"#quality_metric: host={self.host}, {when}{channel} {name} <{kind}>={float(value)!r}")

    def score(self, channel: str, name: str, value: float) -> None:
        """The older form of a final score, which comes before the `#quality_metric` lines."""
        info(f"#{channel}_score ({self.host}) : ({name!r}, {float(value)!r})")

    def progress(self, done: int, of: int) -> None:
        info(f"#progress_metric: host={self.host}, completed {100.0 * done / of} % of epochs")

    def throughput(self, records: int, seconds: float) -> None:
        rate = records / max(seconds, 1e-9)
        info(f"#throughput_metric: host={self.host}, train throughput={rate} records/second")

    def data_seen(self, meta: str, records: int, batches: int, *, started: float | None = None, **more: Any) -> None:
        """How much of a channel one pass has read."""
        counts = {
            "Total Records Seen": records,
            "Total Batches Seen": batches,
            "Max Records Seen Between Resets": records,
            "Max Batches Seen Between Resets": batches,
            "Number of Records Since Last Reset": records,
            "Number of Batches Since Last Reset": batches,
        }
        self.metrics(counts, started=started, Meta=meta, **more)


def _line(level: str, message: str) -> None:
    # Each line leaves at once: users follow the log live, and a killed process must not take lines with it.
    stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
    print(f"[{stamp} {level} {threading.get_ident()}] {message}", flush=True)
